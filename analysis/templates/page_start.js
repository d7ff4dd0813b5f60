// The first drawing, and what leads from one part of the page to another.
drawAll();
// A click on a local optimum or on a curve of the best cells shows the cell below.
for (const [id, text] of [["landscape-steps", (point) => landscape && by("landscape-view").value === "optima" && cellText && point.customdata], ["best-curves", (point) => point.customdata]]) {
  const figure = by(id);
  if (figure && figure.on) figure.on("plotly_click", (event) => { const cell = text(event.points[0]); if (cell !== false && cell !== null && cell !== undefined) pickCell(String(cell)); });
}
fromHash();
window.addEventListener("hashchange", fromHash);
root.dataset.ready = "yes";
