// Regret, targets and pairs; which entrants are shown.
const shown = new Map(data.entrants.map((entrant) => [entrant.name, entrant.shown]));
const dataset = () => by("curves-dataset").value;
const visible = () => data.entrants.filter((entrant) => shown.get(entrant.name) && data.curves[dataset()].entrants[entrant.name]);

const drawCurves = () => {
  const axis = by("curves-axis").value, line = by("curves-line").value;
  const [low, high] = line === "mean" ? ["low", "high"] : ["lower", "upper"];
  const traces = [];
  for (const entrant of visible()) {
    const curve = data.curves[dataset()].entrants[entrant.name][axis];
    const positive = (values) => values.map((value) => (value !== null && value > 0 ? value : null));
    const keep = curve.x.map((_, i) => curve[low][i] !== null && curve[high][i] > 0);
    const pick = (values) => values.filter((_, i) => keep[i]);
    const floor = pick(curve[low]).map((value) => Math.max(value, 1e-4));
    // The grid of seconds is dense enough for lines; queries are few, and nothing is interpolated between them.
    const edge = axis === "queries" ? corners : (x, y) => [x, y];
    const upper = edge(pick(curve.x), pick(curve[high])), lower = edge(pick(curve.x), floor);
    if (floor.length) traces.push(band(upper, lower, entrant.colour));
    traces.push({
      x: curve.x, y: positive(curve[line]), mode: "lines", type: "scatter", name: entrant.title, line: { ...style(entrant), shape: axis === "queries" ? "hv" : "linear" },
      hovertemplate: "%{y:.3f} points at %{x:.4g}<extra>" + escape(entrant.title) + "</extra>",
    });
  }
  const layout = base(axis === "seconds" ? "simulated " + data.curves[dataset()].unit : "queries", "regret (points)");
  const named = traces.filter((trace) => trace.name), lines = named.flatMap((trace) => trace.y).filter((value) => value !== null);
  const times = named.flatMap((trace) => trace.x.filter((_, i) => trace.y[i] !== null));
  if (lines.length) {
    logarithmic(layout.xaxis, Math.min(...times), Math.max(...times));
    logarithmic(layout.yaxis, Math.min(...lines) / 1.4, Math.max(...lines) * 1.2);
  }
  plot("curves-figure", traces, layout);
};
const drawTargets = () => {
  const traces = visible().map((entrant) => {
    const curve = data.curves[dataset()].entrants[entrant.name].targets;
    return { x: curve.x, y: curve.share, mode: "lines", type: "scatter", name: entrant.title, line: style(entrant),
      hovertemplate: "%{y:.3f} at %{x:.4g}<extra>" + escape(entrant.title) + "</extra>" };
  });
  const layout = base("simulated " + data.curves[dataset()].unit, "share of targets reached");
  const times = traces.flatMap((trace) => trace.x.filter((_, i) => trace.y[i] > 0.002));
  if (times.length) logarithmic(layout.xaxis, Math.min(...times), Math.max(...traces.map((trace) => trace.x[trace.x.length - 1])));
  layout.yaxis.range = [0, 1.02];
  plot("targets-figure", traces, layout);
};
const drawPairs = () => {
  const found = data.pairs[dataset()];
  const titles = found.entrants.map((name) => data.entrants.find((entrant) => entrant.name === name).title);
  const short = (title) => (narrow() && title.length > 14 ? title.slice(0, 13) + "\u2026" : title);
  const hover = found.entrants.map((_, i) => found.entrants.map((_, j) => i === j ? "" :
    escape(titles[i]) + " against " + escape(titles[j]) + "<br>A12 " + found.a12[i][j] + ", difference " + found.difference[i][j] + " points, Holm p " + found.p[i][j]));
  const layout = base("", "");
  layout.margin = { l: narrow() ? 92 : 230, r: 8, t: narrow() ? 92 : 200, b: 10 };
  const ticks = { tickvals: titles.map((_, i) => i), ticktext: titles.map((title) => escape(short(title))), gridcolor: "rgba(0,0,0,0)", zeroline: false, tickfont: { size: narrow() ? 8 : 11 } };
  layout.xaxis = { ...ticks, side: "top", tickangle: -60 };
  layout.yaxis = { ...ticks, autorange: "reversed" };
  const dots = { x: [], y: [], mode: "markers", type: "scatter", hoverinfo: "skip", marker: { color: "#111", size: narrow() ? 2.5 : 4 } };
  found.better.forEach((row, i) => row.forEach((better, j) => { if (better) { dots.x.push(j); dots.y.push(i); } }));
  plot("pairs-figure", [{
    z: found.a12, type: "heatmap", zmin: 0, zmax: 1, text: hover, hovertemplate: "%{text}<extra></extra>",
    colorscale: [[0, "#b35806"], [0.25, "#f1a340"], [0.5, "#f7f7f7"], [0.75, "#8db7dd"], [1, "#2166ac"]],
    colorbar: { thickness: 10, len: 0.8 }, showscale: !narrow(),
  }, dots], layout);
};

for (const entrant of data.entrants) {
  const label = document.createElement("label"), box = document.createElement("input");
  box.type = "checkbox"; box.checked = entrant.shown; box.value = entrant.name;
  box.addEventListener("change", () => { shown.set(entrant.name, box.checked); drawCurves(); drawTargets(); drawTradeOffs(); });
  const key = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  key.setAttribute("width", 26); key.setAttribute("height", 8); key.setAttribute("aria-hidden", "true");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
  const dashes = { solid: "", dash: "7 3", dashdot: "7 3 2 3", dot: "2 3", longdashdot: "10 3 2 3" };
  for (const [name, value] of Object.entries({ x1: 0, y1: 4, x2: 26, y2: 4, "stroke-width": 2.5, "stroke-dasharray": dashes[entrant.dash] })) line.setAttribute(name, value);
  line.setAttribute("stroke", entrant.colour === "#000000" ? "currentColor" : entrant.colour);
  key.append(line);
  label.append(box, key, document.createTextNode(entrant.title));
  by("toggles").append(label);
}
for (const id of ["curves-axis", "curves-line"]) by(id).addEventListener("change", drawCurves);
by("curves-dataset").addEventListener("change", () => { drawCurves(); drawTargets(); drawPairs(); });
draws.push(drawCurves, drawTargets, drawPairs);

csv.curves = () => {
  const axis = by("curves-axis").value, rows = [["dataset", "entrant", axis === "seconds" ? data.curves[dataset()].unit : "queries", "regret_points", "low", "high", "median", "lower_quartile", "upper_quartile"]];
  for (const [name, curve] of Object.entries(data.curves[dataset()].entrants))
    curve[axis].x.forEach((x, i) => rows.push([dataset(), name, x, ...["mean", "low", "high", "median", "lower", "upper"].map((key) => curve[axis][key][i])]));
  return [dataset(), rows];
};
csv.targets = () => {
  const rows = [["dataset", "entrant", data.curves[dataset()].unit, "share_of_targets"]];
  for (const [name, curve] of Object.entries(data.curves[dataset()].entrants)) curve.targets.x.forEach((x, i) => rows.push([dataset(), name, x, curve.targets.share[i]]));
  return [dataset(), rows];
};
csv.pairs = () => {
  const found = data.pairs[dataset()], rows = [["dataset", "entrant", "other", "a12", "difference_points", "holm_p", "better"]];
  found.entrants.forEach((one, i) => found.entrants.forEach((other, j) => { if (i !== j) rows.push([dataset(), one, other, found.a12[i][j], found.difference[i][j], found.p[i][j], found.better[i][j]]); }));
  return [dataset(), rows];
};
