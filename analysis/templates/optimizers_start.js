// What the controls change, and the first drawing.
for (const id of ["curves-horizon", "curves-split", "curves-axis", "curves-log"]) by(id).addEventListener("change", drawCurves);
for (const id of ["profiles-ruleset", "profiles-unit"]) by(id).addEventListener("change", drawProfiles);
draws.push(showTask, drawProfiles);
if (ladder) {
  draws.push(drawLadder);
  by("ladder-over").addEventListener("change", drawLadder);
}
drawAll();
root.dataset.ready = "yes";
