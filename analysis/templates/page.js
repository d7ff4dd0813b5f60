"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const by = (id) => document.getElementById(id);
  root.classList.add("scripted");

  // Light and dark -----------------------------------------------------------------------------------------------------
  const media = window.matchMedia("(prefers-color-scheme: dark)");
  let dark = media.matches;
  const scheme = by("scheme");
  const showScheme = () => {
    root.classList.toggle("dark", dark);
    root.style.colorScheme = dark ? "dark" : "light";
    scheme.textContent = dark ? "Light" : "Dark";
    scheme.setAttribute("aria-pressed", String(dark));
  };
  const colour = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  // Black lines can't be seen on a dark page.
  const lineColour = (value) => (dark && value === "#000000" ? "#f2f2f2" : value);

  // Sorting ------------------------------------------------------------------------------------------------------------
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

  // Figures ------------------------------------------------------------------------------------------------------------
  const shown = new Map(data.entrants.map((entrant) => [entrant.name, entrant.shown]));
  const narrow = () => window.innerWidth < 700;
  const base = (x, y) => ({
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: colour("--ink"), size: narrow() ? 11 : 13 },
    margin: { l: narrow() ? 48 : 62, r: 12, t: 10, b: 48 }, hovermode: "closest",
    xaxis: { title: { text: x }, gridcolor: colour("--line"), zeroline: false },
    yaxis: { title: { text: y }, gridcolor: colour("--line"), zeroline: false },
    showlegend: false, modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("--soft"), activecolor: colour("--accent") },
  });
  const config = { responsive: true, displaylogo: false, displayModeBar: !narrow(), modeBarButtonsToRemove: ["lasso2d", "select2d"] };
  // A logarithmic axis from `low` to `high` with whole numbers at 1, 2 and 5 times the powers of ten.
  const logarithmic = (axis, low, high) => {
    const steps = Math.log10(high / low) > (narrow() ? 1.5 : 3) ? [1] : narrow() ? [1, 3] : [1, 2, 5], values = [];
    for (let power = Math.floor(Math.log10(low)) - 1; power <= Math.ceil(Math.log10(high)); power++) for (const step of steps) values.push(step * 10 ** power);
    Object.assign(axis, { type: "log", range: [Math.log10(low), Math.log10(high)], tickvals: values, ticktext: values.map((value) => String(Number(value.toPrecision(3)))) });
  };
  const style = (entrant) => ({ color: lineColour(entrant.colour), dash: entrant.dash, width: 2 });
  const faded = (hex) => lineColour(hex) + "2e";
  const dataset = () => by("curves-dataset").value;
  const visible = () => data.entrants.filter((entrant) => shown.get(entrant.name) && data.curves[dataset()].entrants[entrant.name]);

  // The corners of a step function, as in the printed figures: a value holds until the next point.
  const corners = (x, y) => [
    x.flatMap((value, i) => (i + 1 < x.length ? [value, x[i + 1]] : [value])),
    y.flatMap((value, i) => (i + 1 < y.length ? [value, value] : [value])),
  ];

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
      const [upX, upY] = edge(pick(curve.x), pick(curve[high])), [downX, downY] = edge(pick(curve.x), floor);
      if (floor.length) traces.push({
        x: [...upX, ...downX.reverse()], y: [...upY, ...downY.reverse()],
        fill: "toself", fillcolor: faded(entrant.colour), line: { width: 0 }, hoverinfo: "skip", mode: "lines", type: "scatter",
      });
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
    Plotly.react("curves-figure", traces, layout, config);
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
    Plotly.react("targets-figure", traces, layout, config);
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
    Plotly.react("pairs-figure", [{
      z: found.a12, type: "heatmap", zmin: 0, zmax: 1, text: hover, hovertemplate: "%{text}<extra></extra>",
      colorscale: [[0, "#b35806"], [0.25, "#f1a340"], [0.5, "#f7f7f7"], [0.75, "#8db7dd"], [1, "#2166ac"]],
      colorbar: { thickness: 10, len: 0.8 }, showscale: !narrow(),
    }, dots], layout, config);
  };
  const escape = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

  for (const entrant of data.entrants) {
    const label = document.createElement("label"), box = document.createElement("input");
    box.type = "checkbox"; box.checked = entrant.shown; box.value = entrant.name;
    box.addEventListener("change", () => { shown.set(entrant.name, box.checked); drawCurves(); drawTargets(); });
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

  // Data behind the figures ---------------------------------------------------------------------------------------------
  const field = (value) => (value === null ? "" : /[",\n]/.test(String(value)) ? '"' + String(value).replace(/"/g, '""') + '"' : value);
  const csv = {
    curves: () => {
      const axis = by("curves-axis").value, rows = [["dataset", "entrant", axis === "seconds" ? data.curves[dataset()].unit : "queries", "regret_points", "low", "high", "median", "lower_quartile", "upper_quartile"]];
      for (const [name, curve] of Object.entries(data.curves[dataset()].entrants))
        curve[axis].x.forEach((x, i) => rows.push([dataset(), name, x, ...["mean", "low", "high", "median", "lower", "upper"].map((key) => curve[axis][key][i])]));
      return rows;
    },
    targets: () => {
      const rows = [["dataset", "entrant", data.curves[dataset()].unit, "share_of_targets"]];
      for (const [name, curve] of Object.entries(data.curves[dataset()].entrants)) curve.targets.x.forEach((x, i) => rows.push([dataset(), name, x, curve.targets.share[i]]));
      return rows;
    },
    pairs: () => {
      const found = data.pairs[dataset()], rows = [["dataset", "entrant", "other", "a12", "difference_points", "holm_p", "better"]];
      found.entrants.forEach((one, i) => found.entrants.forEach((other, j) => { if (i !== j) rows.push([dataset(), one, other, found.a12[i][j], found.difference[i][j], found.p[i][j], found.better[i][j]]); }));
      return rows;
    },
  };
  for (const button of document.querySelectorAll("button.download")) button.addEventListener("click", () => {
    const text = csv[button.dataset.figure]().map((row) => row.map(field).join(",")).join("\n") + "\n";
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    link.download = button.dataset.figure + "-" + dataset() + ".csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });

  // The cells ----------------------------------------------------------------------------------------------------------
  const space = data.explorer;
  let drawCell = () => {};
  if (space) {
    const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const rows = new Uint16Array(bytes(space.rows).buffer), architectures = bytes(space.architectures);
    const edges = space.edges.length, options = space.operations.length;
    const sets = Object.fromEntries(Object.entries(space.datasets).map(([name, one]) => [name, { ...one,
      values: new Uint16Array(bytes(one.values).buffer), rank: new Uint16Array(bytes(one.rank).buffer), parameters: new Int32Array(bytes(one.parameters).buffer) }]));
    const choice = by("cell-dataset");
    for (const [name, one] of Object.entries(sets)) choice.append(new Option(one.title, name));
    const set = () => sets[choice.value];
    const rowOf = (cell) => rows[cell.reduceRight((sum, operation) => sum * options + operation, 0)];
    const cellOf = (row) => [...architectures.subarray(row * edges, (row + 1) * edges)];
    const format = (cell) => {
      let text = "";
      for (let node = 1; node < space.nodes; node++) {
        const into = space.edges.map((edge, i) => [edge, i]).filter(([edge]) => edge[1] === node);
        text += (node > 1 ? "+" : "") + "|" + into.map(([edge, i]) => space.operations[cell[i]] + "~" + edge[0]).join("|") + "|";
      }
      return text;
    };
    const parse = (text) => {
      const cell = new Array(edges).fill(-1), parts = text.trim().split("+");
      if (parts.length !== space.nodes - 1) throw new Error("A cell has " + (space.nodes - 1) + " nodes between +, such as " + format(cellOf(set().best)));
      parts.forEach((part, at) => part.split("|").filter(Boolean).forEach((item) => {
        const [name, from] = item.split("~"), operation = space.operations.indexOf(name);
        const edge = space.edges.findIndex((one) => one[0] === Number(from) && one[1] === at + 1);
        if (operation < 0) throw new Error("Unknown operation " + name + "; there are " + space.operations.join(", "));
        if (edge < 0) throw new Error("No edge from " + from + " to " + (at + 1));
        cell[edge] = operation;
      }));
      if (cell.includes(-1)) throw new Error("Some edge has no operation");
      return cell;
    };
    const accuracy = (row, repeat, epoch) => {
      const one = set(), value = one.values[(row * one.repeats + repeat) * one.epochs.length + epoch];
      return value === 65535 ? null : value / 100;
    };
    const finals = (row) => [...Array(set().repeats).keys()].map((repeat) => accuracy(row, repeat, set().epochs.length - 1)).filter((value) => value !== null);
    const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
    const live = (cell) => {
      const carrying = space.edges.map((edge, i) => ({ from: edge[0], to: edge[1], i })).filter((edge) => space.operations[cell[edge.i]] !== "none");
      const reached = new Set([0]), reaching = new Set([space.nodes - 1]);
      for (const edge of carrying) if (reached.has(edge.from)) reached.add(edge.to);
      for (const edge of [...carrying].sort((a, b) => b.from - a.from)) if (reaching.has(edge.to)) reaching.add(edge.from);
      return carrying.map((edge) => ({ ...edge, live: reached.has(edge.from) && reaching.has(edge.to) }));
    };
    let current = cellOf(sets[Object.keys(sets)[0]].best);
    const draw = () => {
      const width = 100, parts = [], bend = (edge) => { const span = edge.to - edge.from; const up = span === 1 ? 0 : 28 * (span - 1); return edge.from % 2 ? -up : up; };
      const place = (node) => 20 + node * width, middle = 85;
      for (const edge of live(current).sort((a, b) => a.live - b.live)) {
        const x1 = place(edge.from) + 13, x2 = place(edge.to) - 13, y = middle - bend(edge) * 1.55, tone = edge.live ? space.colours[current[edge.i]] : colour("--line");
        const from = bend(edge) ? place(edge.from) + 6 : x1, to = bend(edge) ? place(edge.to) - 6 : x2, lift = bend(edge) ? (bend(edge) > 0 ? -12 : 12) : 0;
        parts.push(`<path d="M${from} ${middle + lift} C${from + width * .35} ${y} ${to - width * .35} ${y} ${to} ${middle + lift}" fill="none" stroke="${tone}" stroke-width="2.5"/>`);
        parts.push(`<text class="operation" x="${(from + to) / 2}" y="${middle - bend(edge) * 1.16 + (bend(edge) < 0 ? 14 : -5)}" text-anchor="middle" font-size="11" fill="${edge.live ? colour("--ink") : colour("--soft")}">${escape(space.labels[current[edge.i]])}</text>`);
      }
      for (let node = 0; node < space.nodes; node++)
        parts.push(`<circle cx="${place(node)}" cy="${middle}" r="12" fill="${colour("--paper")}" stroke="${colour("--ink")}"/><text x="${place(node)}" y="${middle + 4}" text-anchor="middle" font-size="10" fill="${colour("--ink")}">${node === 0 ? "in" : node === space.nodes - 1 ? "out" : node}</text>`);
      by("cell-drawing").innerHTML = `<svg viewBox="0 -12 ${40 + (space.nodes - 1) * width} 187" role="img" aria-label="Graph of the cell">${parts.join("")}</svg>`;
    };
    drawCell = () => {
      const row = rowOf(current), one = set();
      by("cell-text").value = format(current);
      if (row === 65535) { by("cell-message").textContent = "The table has no row for this cell."; return; }
      draw();
      const values = finals(row);
      by("cell-numbers").textContent = `Place ${one.rank[row].toLocaleString("en")} of ${(architectures.length / edges).toLocaleString("en")}; ${one.label}: ${values.length ? mean(values).toFixed(2) + " % over " + values.length + " trainings (" + values.map((value) => value.toFixed(2)).join(", ") + ")" : "no finished training"}` +
        (one.parameters[row] >= 0 ? `; ${one.parameters[row].toLocaleString("en")} parameters.` : ".");
      const several = one.epochs.length > 1;
      const traces = [...Array(one.repeats).keys()].map((repeat) => several
        ? { x: one.epochs, y: one.epochs.map((_, epoch) => accuracy(row, repeat, epoch)), mode: "lines+markers", type: "scatter", name: "training " + (repeat + 1) }
        : { x: [repeat + 1], y: [accuracy(row, repeat, 0)], mode: "markers", type: "scatter", marker: { size: 10 }, name: "training " + (repeat + 1) });
      const layout = base(several ? "epochs" : "training", "accuracy (%)");
      if (!several) layout.xaxis.dtick = 1;
      layout.showlegend = several; layout.legend = { orientation: "h", y: 1.12 };
      Plotly.react("cell-figure", traces, layout, config);
      by("cell-edges").replaceChildren(...space.edges.map((edge, i) => {
        const label = document.createElement("label"), select = document.createElement("select");
        space.operations.forEach((name, operation) => select.append(new Option(space.labels[operation], operation, false, operation === current[i])));
        select.addEventListener("change", () => { current[i] = Number(select.value); by("cell-message").textContent = ""; drawCell(); });
        label.append(`${edge[0]}\u2192${edge[1]} `, select);
        return label;
      }));
      const neighbours = [];
      for (let edge = 0; edge < edges; edge++) for (let operation = 0; operation < options; operation++) if (operation !== current[edge]) {
        const cell = [...current]; cell[edge] = operation;
        const at = rowOf(cell), score = at === 65535 ? [] : finals(at);
        neighbours.push({ cell, edge, operation, same: at === row, score: score.length ? mean(score) : NaN });
      }
      neighbours.sort((a, b) => (b.score || -1) - (a.score || -1));
      const own = values.length ? mean(values) : NaN;
      by("cell-neighbours").replaceChildren(...neighbours.map((next) => {
        const button = document.createElement("button"), what = document.createElement("span"), change = document.createElement("span");
        button.type = "button";
        what.textContent = `${space.edges[next.edge][0]}\u2192${space.edges[next.edge][1]}: ${space.labels[next.operation]}`;
        const difference = next.score - own;
        change.textContent = Number.isNaN(next.score) ? "" : next.same ? "same cell" : `${next.score.toFixed(2)} (${difference >= 0 ? "+" : "\u2212"}${Math.abs(difference).toFixed(2)})`;
        if (!next.same) change.className = difference > 0 ? "up" : "down";
        button.append(what, change);
        button.addEventListener("click", () => { current = next.cell; by("cell-message").textContent = ""; drawCell(); });
        return button;
      }));
    };
    by("cell-text").addEventListener("change", () => {
      try { current = parse(by("cell-text").value); by("cell-message").textContent = ""; drawCell(); }
      catch (error) { by("cell-message").textContent = error.message; }
    });
    const go = (rank) => { const row = set().rank.indexOf(rank); if (row >= 0) { current = cellOf(row); by("cell-message").textContent = ""; drawCell(); } };
    by("cell-best").addEventListener("click", () => go(1));
    by("cell-previous").addEventListener("click", () => go(set().rank[rowOf(current)] - 1));
    by("cell-next").addEventListener("click", () => go(set().rank[rowOf(current)] + 1));
    choice.addEventListener("change", drawCell);
  }

  const drawAll = () => { showScheme(); drawCurves(); drawTargets(); drawPairs(); drawCell(); };
  scheme.addEventListener("click", () => { dark = !dark; drawAll(); });
  media.addEventListener("change", (event) => { dark = event.matches; drawAll(); });
  let before = narrow();
  window.addEventListener("resize", () => { if (before !== narrow()) { before = narrow(); drawAll(); } });
  drawAll();
  root.dataset.ready = "yes";
})();
