"use strict";
// What all parts of the page share. `page.py` joins the files in the order of its SCRIPTS; each fills `draws` and `csv`.
const data = JSON.parse(document.getElementById("data").textContent);
const root = document.documentElement;
const by = (id) => document.getElementById(id);
root.classList.add("scripted");

const draws = []; // functions that draw a part anew, in the colours of the scheme
const csv = {}; // by the name of a figure: () => [suffix of the file's name, rows]
const narrow = () => window.innerWidth < 700;
const escape = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/"/g, "&quot;");
const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const choose = (select, sets) => { for (const [name, one] of Object.entries(sets)) select.append(new Option(one.title, name)); };

// Light and dark -------------------------------------------------------------------------------------------------------
const media = window.matchMedia("(prefers-color-scheme: dark)");
let dark = media.matches;
const showScheme = () => {
  root.classList.toggle("dark", dark);
  root.style.colorScheme = dark ? "dark" : "light";
  by("scheme").textContent = dark ? "Light" : "Dark";
  by("scheme").setAttribute("aria-pressed", String(dark));
};
const colour = (name) => getComputedStyle(root).getPropertyValue(name).trim();
// Black lines can't be seen on a dark page.
const lineColour = (value) => (dark && value === "#000000" ? "#f2f2f2" : value);
const faded = (hex) => lineColour(hex) + "2e";

// Sorting --------------------------------------------------------------------------------------------------------------
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[table.tBodies.length - 1];
  table.tHead.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const heading = button.closest("th"), column = Number(button.dataset.column);
    const upward = heading.getAttribute("aria-sort") !== "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", upward ? "ascending" : "descending");
    const key = (row) => {
      if (column === 0) return row.cells[0].textContent;
      const value = row.cells[column].dataset.value;
      return value === "" ? (upward ? Infinity : -Infinity) : Number(value);
    };
    const rows = [...body.rows].map((row, place) => [key(row), place, row]);
    rows.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0) * (upward ? 1 : -1) || a[1] - b[1]);
    for (const [, , row] of rows) body.append(row);
  });
}

// Figures --------------------------------------------------------------------------------------------------------------
const base = (x, y) => ({
  paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
  font: { color: colour("--ink"), size: narrow() ? 11 : 13 },
  margin: { l: narrow() ? 48 : 62, r: 12, t: narrow() ? 10 : 32, b: 48 }, hovermode: "closest",
  xaxis: { title: { text: x }, gridcolor: colour("--line"), zeroline: false },
  yaxis: { title: { text: y }, gridcolor: colour("--line"), zeroline: false },
  showlegend: false, modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("--soft"), activecolor: colour("--accent") },
});
// Without `showSendToCloud` a button of Plotly's would upload the figure: the page stays offline.
const config = () => ({ responsive: true, displaylogo: false, showSendToCloud: false, displayModeBar: !narrow(), modeBarButtonsToRemove: ["lasso2d", "select2d"] });
const legendBelow = (layout) => Object.assign(layout, { showlegend: true });
// Draws a figure. A legend stands below the title of the axis, in columns, and makes the figure as much higher as it needs.
const plot = (id, traces, layout) => {
  const figure = by(id), titles = traces.filter((trace) => trace.name && trace.showlegend !== false).map((trace) => trace.name.length);
  figure.style.height = "";
  let height = figure.clientHeight;
  if (layout.showlegend && titles.length) {
    const size = narrow() ? 11 : 12, width = Math.max(figure.clientWidth - 60, 200);
    const columns = Math.max(1, Math.floor(width / (50 + 0.6 * size * Math.max(...titles)))), below = Math.ceil(titles.length / columns) * (size + 9);
    layout.margin.b = 58 + below;
    height += below;
    layout.legend = { orientation: "h", x: 0, xref: "container", y: 0, yref: "container", yanchor: "bottom", tracegroupgap: 0, font: { size }, entrywidth: Math.max(width / columns - 50, 40), entrywidthmode: "pixels" };
  }
  figure.style.height = height + "px";
  return Plotly.react(figure, traces, { ...layout, height }, config());
};
// A logarithmic axis from `low` to `high` with whole numbers at 1, 2 and 5 times the powers of ten.
const logarithmic = (axis, low, high) => {
  const steps = Math.log10(high / low) > (narrow() ? 2.2 : 3) ? [1] : narrow() ? [1, 3] : [1, 2, 5], values = [];
  for (let power = Math.floor(Math.log10(low)) - 1; power <= Math.ceil(Math.log10(high)); power++) for (const step of steps) values.push(step * 10 ** power);
  Object.assign(axis, { type: "log", range: [Math.log10(low), Math.log10(high)], tickvals: values, ticktext: values.map((value) => String(Number(value.toPrecision(3)))) });
};
const style = (entrant) => ({ color: lineColour(entrant.colour), dash: entrant.dash, width: 2 });
// The corners of a step function, as in the printed figures: a value holds until the next point.
const corners = (x, y) => [
  x.flatMap((value, i) => (i + 1 < x.length ? [value, x[i + 1]] : [value])),
  y.flatMap((value, i) => (i + 1 < y.length ? [value, value] : [value])),
];
// A band between two lines as one closed shape: each line is [x, y].
const band = ([upX, upY], [downX, downY], hex) => ({
  x: [...upX, ...downX.slice().reverse()], y: [...upY, ...downY.slice().reverse()],
  fill: "toself", fillcolor: faded(hex), line: { width: 0 }, hoverinfo: "skip", mode: "lines", type: "scatter",
});
