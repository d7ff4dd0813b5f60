// Downloads, the scheme, a new width, print: the shell of every page, joined behind its parts. The page itself draws first.
const field = (value) => (value === null ? "" : /[",\n]/.test(String(value)) ? '"' + String(value).replace(/"/g, '""') + '"' : value);
for (const button of document.querySelectorAll("button.download")) button.addEventListener("click", () => {
  const [name, rows] = csv[button.dataset.figure](), link = document.createElement("a");
  const text = rows.map((row) => row.map(field).join(",")).join("\n") + "\n";
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = `${button.dataset.figure}-${name}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
});

const drawAll = () => { showScheme(); for (const draw of draws) draw(); };
by("scheme").addEventListener("click", () => { dark = !dark; drawAll(); });
media.addEventListener("change", (event) => { dark = event.matches; drawAll(); });
let before = narrow();
window.addEventListener("resize", () => { if (before !== narrow()) { before = narrow(); drawAll(); } });
// Paper is white and narrower than most screens.
const resized = () => { for (const figure of document.querySelectorAll(".js-plotly-plot")) if (figure.offsetParent) Plotly.Plots.resize(figure); };
let darkBefore = dark;
window.addEventListener("beforeprint", () => { darkBefore = dark; dark = false; root.classList.add("printed"); drawAll(); resized(); });
window.addEventListener("afterprint", () => { dark = darkBefore; root.classList.remove("printed"); drawAll(); resized(); });
