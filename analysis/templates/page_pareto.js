// Trade-offs: the fronts that runs attain, and the hypervolume they miss over time.
const pareto = data.pareto;
const tradeOffs = () => pareto.datasets[by("pareto-dataset").value];
const traded = (numbers) => data.entrants.filter((entrant) => shown.get(entrant.name) && numbers[entrant.name]);

const drawFronts = () => {
  const found = tradeOffs(), above = by("pareto-view").value === "above", [, highest] = found.reference, traces = [], drawn = [];
  const over = (values) => values.map((value, i) => (value === null ? null : above ? value - found.true[i] : value));
  for (const entrant of traded(found.attained)) {
    const each = found.attained[entrant.name], half = over(each.half), first = each.quarter.findIndex((value) => value !== null);
    if (first < 0) continue;
    const x = found.x.slice(first), low = over(each.quarter).slice(first);
    // Where fewer than three quarters of the runs attain anything, the band ends at the reference point.
    const high = over(each.most.map((value) => value ?? highest)).slice(first);
    traces.push({ ...band(corners(x, high), corners(x, low), entrant.colour), legendgroup: entrant.name, showlegend: false });
    traces.push({
      x: found.x, y: half, mode: "lines", type: "scatter", name: entrant.title, legendgroup: entrant.name, line: { ...style(entrant), shape: "hv" },
      hovertemplate: "%{y:.3f} at %{x:.4g}<extra>" + escape(entrant.title) + "</extra>",
    });
    drawn.push(...half.filter((value) => value !== null));
  }
  const { x, y } = found.front, ink = colour("--ink");
  traces.push({
    x, y: above ? x.map(() => 0) : y, mode: above ? "markers" : "lines+markers", type: "scatter", name: "true front", line: { color: ink, width: 1, dash: "dot", shape: "hv" },
    marker: { color: ink, size: 5, symbol: above ? "line-ns-open" : "circle" }, customdata: y, hovertemplate: "%{customdata:.3f} at %{x:.4g}<extra>true front</extra>",
  });
  const layout = base(pareto.label, above ? "error above front (points)" : "error (%)");
  layout.xaxis.range = [found.x[0] - 0.01 * (found.x[found.x.length - 1] - found.x[0]), found.x[found.x.length - 1]];
  if (above) {
    const sorted = drawn.sort((a, b) => a - b), usual = sorted.length ? sorted[Math.floor(0.9 * (sorted.length - 1))] : 1;
    layout.yaxis.range = [-0.05 * Math.max(usual, 0.1), 1.6 * Math.max(usual, 0.1)];
  } else {
    const low = Math.min(...y), high = Math.max(...y, highest);
    layout.yaxis.range = [low - 0.05 * (high - low), high + 0.02 * (high - low)];
  }
  plot("pareto-fronts", traces, legendBelow(layout));
};
const drawVolume = () => {
  const found = tradeOffs(), traces = [], times = [], values = [];
  for (const entrant of traded(found.volume)) {
    const each = found.volume[entrant.name], floor = (numbers) => numbers.map((value) => Math.max(value, 1e-3));
    if (!each.x.length) continue;
    if (!each.low.includes(null)) traces.push({ ...band([each.x, floor(each.high)], [each.x, floor(each.low)], entrant.colour), legendgroup: entrant.name, showlegend: false });
    traces.push({
      x: each.x, y: floor(each.mean), mode: "lines", type: "scatter", name: entrant.title, legendgroup: entrant.name, line: style(entrant),
      hovertemplate: "%{y:.3f} % at %{x:.4g}<extra>" + escape(entrant.title) + "</extra>",
    });
    times.push(each.x[0], each.x[each.x.length - 1]); values.push(...floor(each.mean));
  }
  const layout = base("simulated " + pareto.unit, "missing hypervolume (%)");
  if (times.length) {
    logarithmic(layout.xaxis, Math.min(...times), Math.max(...times));
    logarithmic(layout.yaxis, Math.min(...values) / 1.35, 1.2 * Math.max(...values));
  }
  plot("pareto-volume", traces, legendBelow(layout));
};
const drawTradeOffs = () => {
  if (!pareto) return;
  if (pareto.plane) drawFronts();
  drawVolume();
};
if (pareto) {
  choose(by("pareto-dataset"), pareto.datasets);
  by("pareto-dataset").addEventListener("change", drawTradeOffs);
  if (pareto.plane) by("pareto-view").addEventListener("change", drawFronts);
  draws.push(drawTradeOffs);
}
csv.fronts = () => {
  const found = tradeOffs(), name = by("pareto-dataset").value;
  const rows = [["dataset", "entrant", pareto.label, "error_percent_quarter_of_runs", "error_percent_half_of_runs", "error_percent_three_quarters_of_runs"]];
  for (const [entrant, each] of Object.entries(found.attained)) found.x.forEach((x, i) => rows.push([name, entrant, x, each.quarter[i], each.half[i], each.most[i]]));
  found.front.x.forEach((x, i) => rows.push([name, "true front", x, ...Array(3).fill(found.front.y[i])]));
  return [name, rows];
};
csv.hypervolume = () => {
  const name = by("pareto-dataset").value, rows = [["dataset", "entrant", pareto.unit, "missing_hypervolume_percent", "low", "high"]];
  for (const [entrant, each] of Object.entries(tradeOffs().volume)) each.x.forEach((x, i) => rows.push([name, entrant, x, each.mean[i], each.low[i], each.high[i]]));
  return [name, rows];
};
