// The page of optimizers: curves, profiles, tuning curves, ladder. `page.js`, joined before it, holds what all pages share.
const shown = new Map(data.optimizers.map((one) => [one.name, one.shown]));
const find = (name) => data.optimizers.find((one) => one.name === name);
const visible = (lines) => data.optimizers.filter((one) => shown.get(one.name) && lines[one.name]);
const known = (values) => values.filter((value) => value !== null && value > 0);
const task = () => by("curves-task").value;
const legend = (layout, y) => Object.assign(layout, { showlegend: true, legend: { orientation: "h", x: 0, y, yanchor: "top" } });
const line = (one, x, y, more = {}) => ({
  x, y, mode: "lines", type: "scatter", name: one.title, line: style(one),
  hovertemplate: "%{y:.4g} at %{x:.4g}<extra>" + escape(one.title) + "</extra>", ...more,
});

// Learning curves -------------------------------------------------------------------------------------------------------
const horizons = () => {
  const choice = by("curves-horizon"), before = choice.value;
  choice.replaceChildren(...data.tasks[task()].horizons.map((many) => new Option(many + "x (" + many * data.tasks[task()].horizon + " steps)", many)));
  if ([...choice.options].some((option) => option.value === before)) choice.value = before;
  const training = by("curves-split").options[1];
  training.disabled = !data.tasks[task()].split;
  if (training.disabled) by("curves-split").value = "test";
};
const drawCurves = () => {
  const split = by("curves-split").value, axis = by("curves-axis").value, log = by("curves-log").checked;
  const found = data.curves[task()][by("curves-horizon").value], traces = [], all = [], seeds = new Set();
  for (const one of visible(found.optimizers)) {
    const curve = found.optimizers[one.name], loss = curve[split];
    if (!loss) continue;
    const x = axis === "work" ? found.steps.map((step) => step * curve.work) : found.steps;
    const floor = Math.min(...known(loss.mean)) / 10;
    const lower = log ? loss.low.map((value) => Math.max(value, floor)) : loss.low;
    traces.push(band([x, loss.high], [x, lower], one.colour));
    traces.push(line(one, x, loss.mean));
    all.push(...known(loss.mean));
    seeds.add(curve.seeds);
  }
  const layout = base(axis === "work" ? "counted work" : "steps", split === "test" ? "test loss" : "training loss");
  const first = Math.max(...traces.filter((trace) => trace.name).map((trace) => trace.y[0]));
  if (all.length) {
    const top = Math.max(first * 1.2, Math.min(...all) * 1.5);
    if (log) logarithmic(layout.yaxis, Math.min(...all) / 1.4, top); else layout.yaxis.range = [0, top];
  }
  const target = data.tasks[task()].target;
  if (target !== null && split === "test" && by("curves-horizon").value === "1")
    layout.shapes = [{ type: "line", xref: "paper", x0: 0, x1: 1, y0: target, y1: target, line: { color: colour("--soft"), width: 1, dash: "dot" } }];
  by("curves-seeds").textContent = [...seeds].sort((a, b) => a - b).join(" or ") + " seeds here";
  plot("curves-figure", traces, layout);
};
csv.curves = () => {
  const found = data.curves[task()][by("curves-horizon").value], rows = [["task", "horizon", "optimizer", "split", "step", "work", "mean", "low", "high", "seeds"]];
  for (const [name, curve] of Object.entries(found.optimizers)) for (const split of ["test", "train"]) if (curve[split])
    found.steps.forEach((step, i) => rows.push([task(), by("curves-horizon").value, name, split, step, step * curve.work, curve[split].mean[i], curve[split].low[i], curve[split].high[i], curve.seeds]));
  return [task() + "-" + by("curves-horizon").value + "x", rows];
};

// Profiles --------------------------------------------------------------------------------------------------------------
const drawProfiles = () => {
  const found = data.profiles[by("profiles-ruleset").value], unit = by("profiles-unit").value;
  const traces = Object.entries(found[unit]).filter(([, shares]) => Math.max(...shares) > 0).map(([name, shares]) =>
    line(find(name), found.factors, shares, { line: { ...style(find(name)), shape: "hv" } }));
  const layout = legend(base(unit === "steps" ? "steps to target, times the fewest" : "work to target, times the least", "share of " + found.tasks + " tasks"), narrow() ? -0.24 : -0.16);
  layout.margin.b = narrow() ? 150 : 110;
  layout.yaxis.range = [0, Math.min(1.02, Math.max(0.5, Math.max(...traces.flatMap((trace) => trace.y)) + 0.1))];
  by("profiles-note").textContent = "Pool " + found.pool + ": scores change with it." + (found.same ? " Each of these optimizers computes one gradient a step, so that both profiles are the same." : "");
  plot("profiles-figure", traces, layout);
};
csv.profiles = () => {
  const word = by("profiles-ruleset").value, found = data.profiles[word], rows = [["ruleset", "unit", "optimizer", "factor", "share_of_tasks"]];
  for (const unit of ["steps", "work"]) for (const [name, shares] of Object.entries(found[unit])) shares.forEach((share, i) => rows.push([word, unit, name, found.factors[i], share]));
  return [word, rows];
};

// Tuning curves ---------------------------------------------------------------------------------------------------------
const drawTuning = () => {
  const found = data.tuning[task()], most = Math.max(2, ...Object.values(found).map((values) => values.length));
  const traces = visible(found).map((one) => {
    const level = one.ruleset !== "tuned", values = level ? Array(most).fill(found[one.name][0]) : found[one.name];
    return line(one, values.map((_, i) => i + 1), values, level ? {} : { mode: "lines+markers", marker: { size: 5, color: lineColour(one.colour) } });
  });
  const layout = base("trials", "expected final test loss"), all = known(traces.flatMap((trace) => trace.y));
  if (all.length) logarithmic(layout.yaxis, Math.min(...all) / 1.2, Math.max(...all) * 1.2);
  layout.xaxis.dtick = 1;
  plot("tuning-figure", traces, layout);
};
csv.tuning = () => {
  const rows = [["task", "optimizer", "trials", "expected_test_loss"]];
  for (const [name, values] of Object.entries(data.tuning[task()])) values.forEach((value, i) => rows.push([task(), name, i + 1, value]));
  return [task(), rows];
};

// Ladder of distance ----------------------------------------------------------------------------------------------------
const ladder = by("ladder-figure");
const drawLadder = () => {
  const over = by("ladder-over").value, names = [...new Set(data.ladder.points.map((point) => point.optimizer))], ends = [];
  const traces = names.map((name, place) => {
    const one = find(name), points = data.ladder.points.filter((point) => point.optimizer === name), x = [], before = new Map();
    for (const point of points) {
      const at = data.ladder.distances.indexOf(point.distance), nth = before.get(at) || 0, many = points.filter((other) => other.distance === point.distance).length;
      before.set(at, nth + 1);
      x.push(at + ((place + (nth + 0.5) / many) / names.length - 0.5) * 0.84);
      ends.push(...point[over]);
    }
    const value = points.map((point) => point[over][0]);
    return {
      x, y: value, mode: "markers", type: "scatter", name: one.title, marker: { color: lineColour(one.colour), size: narrow() ? 6 : 8 },
      error_y: { type: "data", symmetric: false, array: points.map((point, i) => point[over][2] - value[i]), arrayminus: points.map((point, i) => value[i] - point[over][1]), color: lineColour(one.colour), thickness: 1, width: 0 },
      text: points.map((point) => escape(point.task) + ", " + point.horizon + "x, " + point.seeds + " seeds" + (over === "strongest" ? ", over " + escape(point.name) : "") + "<br>" + (point.pays === null ? "never pays" : "pays after " + Math.ceil(point.pays) + " tasks")),
      hovertemplate: "%{y:.3g}: %{text}<extra>" + escape(one.title) + "</extra>",
    };
  });
  const layout = legend(base("", "tuned over learned"), narrow() ? -0.36 : -0.3);
  layout.margin.b = narrow() ? 150 : 120;
  Object.assign(layout.xaxis, { tickvals: data.ladder.distances.map((_, i) => i), ticktext: data.ladder.distances, range: [-0.6, data.ladder.distances.length - 0.4], tickangle: -30 });
  logarithmic(layout.yaxis, Math.min(...known(ends)) / 1.2, Math.max(...known(ends)) * 1.2);
  layout.shapes = [{ type: "line", xref: "paper", x0: 0, x1: 1, y0: 1, y1: 1, line: { color: colour("--ink"), width: 1 } }];
  plot("ladder-figure", traces, layout);
};
csv.ladder = () => ["rungs", [["optimizer", "distance", "task", "horizon", "seeds", "over_baseline", "low", "high", "over_strongest", "low", "high", "strongest", "pays_after_tasks"],
  ...data.ladder.points.map((point) => [point.optimizer, point.distance, point.task, point.horizon, point.seeds, ...point.baseline, ...point.strongest, point.name, point.pays])]];

// One task for all parts of the page --------------------------------------------------------------------------------------
const showTask = () => {
  for (const part of document.querySelectorAll(".task")) part.hidden = part.dataset.task !== task();
  horizons();
  drawCurves();
  drawTuning();
};
for (const choice of document.querySelectorAll(".task-choice")) choice.addEventListener("change", () => {
  for (const other of document.querySelectorAll(".task-choice")) other.value = choice.value;
  showTask();
});
csv.leaderboard = () => {
  const rows = [];
  for (const table of document.querySelectorAll(`.task[data-task="${task()}"] table`)) {
    if (!rows.length) rows.push([...table.tHead.rows[0].cells].map((cell) => cell.textContent.trim()));
    for (const row of table.tBodies[0].rows) rows.push([...row.cells].map((cell, i) => (i ? cell.dataset.value : cell.textContent)));
  }
  return [task(), rows];
};

// Which optimizers are shown ----------------------------------------------------------------------------------------------
const boxes = [];
for (const [word, title] of [["tuned", "Tuned"], ["self-tuning", "Without tuning"]]) {
  const heading = document.createElement("strong");
  heading.textContent = title;
  by("toggles").append(heading);
  for (const one of data.optimizers.filter((each) => each.ruleset === word)) {
    const label = document.createElement("label"), box = document.createElement("input"), key = document.createElement("span");
    box.type = "checkbox"; box.checked = one.shown; box.value = one.name;
    box.addEventListener("change", () => { shown.set(one.name, box.checked); drawCurves(); drawTuning(); });
    const dashes = { solid: "", dash: "7 3", dashdot: "7 3 2 3", dot: "2 3", longdashdot: "10 3 2 3" };
    key.innerHTML = `<svg width="26" height="8" aria-hidden="true"><line x1="0" y1="4" x2="26" y2="4" stroke-width="2.5" stroke="${one.colour === "#000000" ? "currentColor" : one.colour}" stroke-dasharray="${dashes[one.dash]}"/></svg>`;
    label.append(box, key, document.createTextNode(one.title));
    by("toggles").append(label);
    boxes.push(box);
  }
}
const tick = (on) => { for (const box of boxes) { box.checked = on; shown.set(box.value, on); } drawCurves(); drawTuning(); };
by("toggle-all").addEventListener("click", () => tick(true));
by("toggle-none").addEventListener("click", () => tick(false));
