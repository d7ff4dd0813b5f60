// The landscape: distribution of the scores, and steps from cell to cell.
const landscape = data.landscape;
const ground = () => landscape.datasets[by("landscape-dataset").value];
const grounds = () => Object.values(landscape.datasets);

const drawDistribution = () => {
  const found = ground(), layout = base(`${found.label} (%)`, "cells (%)");
  const middles = found.share.map((_, i) => (found.bins[i] + found.bins[i + 1]) / 2), width = found.bins[1] - found.bins[0];
  layout.bargap = 0;
  layout.shapes = [{ type: "line", x0: found.median, x1: found.median, y0: 0, y1: 1, yref: "paper", line: { color: colour("--ink"), width: 1, dash: "dash" } }];
  layout.annotations = [{ x: found.median, y: 1, yref: "paper", text: "median", showarrow: false, xanchor: "right", xshift: -4, font: { size: 11 } }];
  plot("landscape-scores", [{
    x: middles, y: found.share, width, type: "bar", marker: { color: lineColour(found.colour) },
    customdata: found.share.map((_, i) => [found.bins[i], found.bins[i + 1]]), hovertemplate: "%{customdata[0]:.2f} to %{customdata[1]:.2f} %: %{y:.2f} % of the cells<extra></extra>",
  }], layout);
};

const views = {
  distances: () => {
    const { distance, cells, quantiles } = ground().distances, layout = base("edges from the nearest best cell", "accuracy (%)");
    const at = (place) => quantiles.map((each) => each[place]), low = Math.min(...at(1)), high = Math.max(...at(6));
    layout.xaxis.dtick = 1;
    layout.yaxis.range = [low - 0.1 * (high - low), high + 0.06 * (high - low)];
    const tone = lineColour(ground().colour);
    return [[
      { type: "box", x: distance, q1: at(2), median: at(3), q3: at(4), lowerfence: at(1), upperfence: at(5), marker: { color: tone }, line: { width: 1.5 }, fillcolor: faded(ground().colour), hoverinfo: "skip" },
      { x: distance, y: at(6), mode: "markers", type: "scatter", marker: { color: tone, size: 5, symbol: "line-ew-open" }, customdata: cells.map((count, i) => [count, ...quantiles[i]]),
        hovertemplate: "%{customdata[0]} cells at distance %{x}<br>median %{customdata[4]:.2f}, quartiles %{customdata[3]:.2f} to %{customdata[5]:.2f},<br>best %{y:.2f}<extra></extra>" },
    ], layout];
  },
  walks: () => {
    const layout = base("steps of a random walk", "autocorrelation"), level = Math.exp(-1);
    const traces = grounds().filter((found) => found.walk).map((found) => ({
      x: found.walk.map((_, step) => step), y: found.walk, mode: "lines+markers", type: "scatter", name: found.title, line: { color: lineColour(found.colour), width: 2 }, marker: { size: 4 },
      hovertemplate: "%{y:.3f} after %{x} steps<extra>" + escape(found.title) + "</extra>",
    }));
    layout.shapes = [{ type: "line", x0: 0, x1: 1, xref: "paper", y0: level, y1: level, line: { color: colour("--soft"), width: 1 } }];
    layout.annotations = [{ x: 1, xref: "paper", y: level, text: "1/e", showarrow: false, xanchor: "right", yanchor: "bottom" }];
    return [traces, legendBelow(layout)];
  },
  optima: () => {
    const found = ground().optima, layout = base("points below the best", "starts that end there (%)");
    const smallest = Math.min(...[...found.best, ...found.first].filter((value) => value > 0)), names = found.architecture.map((number) => (cellText ? escape(cellText(number)) : number));
    const trace = (name, values, tone, symbol) => ({
      x: found.below, y: values.map((value) => (value > 0 ? value : null)), mode: "markers", type: "scatter", name, marker: { color: tone, symbol, size: 8, line: { width: 1.5 } },
      customdata: names, hovertemplate: "%{y:.3g} % of the starts, %{x:.2f} points below<br>%{customdata}<extra>" + name + "</extra>",
    });
    logarithmic(layout.yaxis, 0.6 * smallest, 150);
    return [[trace("best improvement", found.best, "#0072B2", "circle"), trace("first improvement", found.first, "#D55E00", "square-open")], legendBelow(layout)];
  },
  effects: () => {
    const z = ground().effects, layout = base("", ""), known = z.flat().map(Math.abs).sort((a, b) => a - b), high = Math.max(known[Math.floor(0.95 * (known.length - 1))], 1e-9);
    layout.xaxis = { tickvals: landscape.operations.map((_, i) => i), ticktext: landscape.operations.map(escape) };
    layout.yaxis = { tickvals: landscape.edges.map((_, i) => i), ticktext: landscape.edges.map(escape), autorange: "reversed" };
    layout.margin.b = 30;
    const hover = z.map((row, i) => row.map((_, j) => escape(`${landscape.operations[j]} on ${landscape.edges[i]}`)));
    return [[{
      z, type: "heatmap", zmin: -high, zmax: high, text: hover, texttemplate: "%{z:+.2f}", textfont: { color: "#111", size: narrow() ? 9 : 12 }, hovertemplate: "%{text}: %{z:+.3f} points<extra></extra>", xgap: 1, ygap: 1,
      colorscale: [[0, "#d6604d"], [0.5, "#f7f7f7"], [1, "#6ba3d0"]], showscale: false,
    }], layout];
  },
  fidelities: () => {
    const layout = base("epochs", "rank correlation with the end"), tones = ["#0072B2", "#D55E00", "#009E73"], dashes = ["solid", "dash", "dashdot"];
    const traces = ground().fidelities.map((each, place) => ({
      x: each.epochs, y: each.other, mode: "lines+markers", type: "scatter", name: each.share, line: { color: tones[place], dash: dashes[place], width: 2 }, marker: { size: 4 },
      hovertemplate: "%{y:.3f} after %{x} epochs<extra>" + escape(each.share) + "</extra>",
    }));
    return [traces, legendBelow(layout)];
  },
};
const drawSteps = () => {
  const view = by("landscape-view"), text = view.selectedOptions[0].dataset.caption;
  const there = view.value === "fidelities" ? ground().fidelities.length : ground().walk;
  by("landscape-steps").hidden = !there;
  by("landscape-steps-caption").textContent = there ? text : "Left out for this data set: the table does not hold what it needs.";
  if (there) plot("landscape-steps", ...views[view.value]());
};
if (landscape) {
  choose(by("landscape-dataset"), landscape.datasets);
  by("landscape-dataset").addEventListener("change", () => { drawDistribution(); drawSteps(); });
  draws.push(drawDistribution);
  if (by("landscape-view")) {
    by("landscape-view").addEventListener("change", drawSteps);
    draws.push(drawSteps);
  }
}
csv.scores = () => {
  const name = by("landscape-dataset").value, found = ground();
  return [name, [["dataset", "from_percent", "to_percent", "cells_percent"], ...found.share.map((share, i) => [name, found.bins[i], found.bins[i + 1], share])]];
};
csv.landscape = () => {
  const name = by("landscape-dataset").value, view = by("landscape-view").value, found = ground(), rows = [];
  if (view === "distances") {
    rows.push(["dataset", "edges_from_best", "cells", "lowest", "decile", "quartile", "median", "upper_quartile", "upper_decile", "highest"]);
    found.distances.distance.forEach((far, i) => rows.push([name, far, found.distances.cells[i], ...found.distances.quantiles[i]]));
  } else if (view === "walks") {
    rows.push(["dataset", "steps", "autocorrelation"]);
    for (const [one, each] of Object.entries(landscape.datasets)) (each.walk ?? []).forEach((value, step) => rows.push([one, step, value]));
  } else if (view === "optima") {
    rows.push(["dataset", "architecture_number", "points_below_the_best", "best_improvement_percent", "first_improvement_percent"]);
    found.optima.architecture.forEach((number, i) => rows.push([name, number, found.optima.below[i], found.optima.best[i], found.optima.first[i]]));
  } else if (view === "effects") {
    rows.push(["dataset", "edge", "operation", "effect_points"]);
    found.effects.forEach((row, i) => row.forEach((value, j) => rows.push([name, landscape.edges[i], landscape.operations[j], value])));
  } else {
    rows.push(["dataset", "cells", "epochs", "spearman_other_trainings", "spearman_same_training"]);
    for (const each of found.fidelities) each.epochs.forEach((epoch, i) => rows.push([name, each.share, epoch, each.other[i], each.same[i]]));
  }
  return [`${view}-${name}`, rows];
};
