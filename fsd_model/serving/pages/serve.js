// The page of `fsd-tuner serve`: sends a file, shows the answer. Text from outside is never parsed as HTML.
"use strict";

const WORDS = { bonafide: "bona fide", spoof: "spoof" };
const MARGIN = { left: 44, right: 52, top: 12, bottom: 36 };
const SVG = "http://www.w3.org/2000/svg";

const at = (id) => document.getElementById(id);
const signed = (value, digits = 2) => (value < 0 ? "\u2212" : "+") + Math.abs(value).toFixed(digits);
let limits = {};
let shown = null;
let turn = 0;  // of the newest file: a late answer to an older file is dropped

function element(tag, text, kind = "") {
  const child = document.createElement(tag);
  child.textContent = text;
  child.className = kind;
  return child;
}

function shape(parent, tag, attributes, text = null) {
  const child = parent.appendChild(document.createElementNS(SVG, tag));
  for (const [name, value] of Object.entries(attributes)) child.setAttribute(name, value);
  if (text !== null) child.textContent = text;
  return child;
}

async function introduce() {
  const [health, card] = await Promise.all(["/health", "/card"].map(async (path) => (await fetch(path)).json()));
  limits = health.limits;
  at("limits").textContent = `FLAC, WAV or OGG, up to ${limits.max_bytes / 1e6} MB and ${limits.max_seconds} s; ` +
    "it is sent to this server only and not stored";
  const network = card.network.factory ?? `${card.network.family}${card.network.depth}`;
  at("about").textContent = `Detector ${card.digest.slice(0, 8)}: ${network} on ${card.feature.kind.replaceAll("_", " ")}, ` +
    `trained on ${card.data.track} data; EER ${(100 * card.dev.eer).toFixed(1)} % on its development data`;
}

async function send(file) {
  const mine = ++turn;
  at("error").hidden = at("result").hidden = true;
  at("status").textContent = `Scoring ${file.name} ...`;
  try {
    if (limits.max_bytes && file.size > limits.max_bytes) {
      throw new Error(`an upload must be at most ${limits.max_bytes / 1e6} MB, got ${(file.size / 1e6).toFixed(1)} MB`);
    }
    const answer = await fetch("/score?spectrogram=true", { method: "POST", body: file });
    const reply = await answer.json();
    if (mine !== turn) return;
    if (!answer.ok) throw new Error(reply.error);
    show(file, reply);
  } catch (error) {
    if (mine !== turn) return;
    const lost = error instanceof TypeError ? "the server does not answer; is it still running?" : error.message;
    at("error").textContent = `${file.name}: ${lost}`;
    at("error").hidden = false;
  }
  at("status").textContent = "";
}

function verdict(reply) {
  const count = reply.windows.length, low = reply.windows_called_spoof;
  if (low === 0) return ["bonafide", "Called bona fide", "It scores above the threshold" + (count > 1 ? " throughout." : ".")];
  if (low === count) return ["spoof", "Called spoof", "It scores below the threshold" + (count > 1 ? " throughout." : ".")];
  return ["mixed", "Called spoof in part", `${low} of ${count} windows score below the threshold, the lowest at ` +
    `${reply.worst.start_s.toFixed(1)} to ${reply.worst.end_s.toFixed(1)} s. In a long recording a few low windows are no proof.`];
}

function show(file, reply) {
  const [kind, title, sentence] = verdict(reply);
  at("name").textContent = file.name;
  at("decision").textContent = title;
  at("decision").className = kind;
  at("meaning").textContent = `${sentence} Higher = more bona fide; below the threshold = spoof.`;
  const several = reply.windows.length > 1;
  at("numbers").replaceChildren();
  for (const [name, value] of [
    [several ? `score of the first ${reply.windows[0].end_s.toFixed(1)} s` : "score", signed(reply.score)],
    ["threshold", reply.threshold === null ? "none" : signed(reply.threshold)],
    ["log-likelihood ratio", signed(reply.llr)],
    [`spoof, where ${+(100 * reply.operating_point.prior_spoof).toFixed(2)} % are`, `${(100 * reply.spoof_probability).toFixed(1)} %`],
    ...(several ? [["mean of the windows", signed(reply.mean)], ["lowest window", signed(reply.worst.score)]] : []),
    ["duration", `${reply.duration_s.toFixed(1)} s`],
  ]) {
    const pair = at("numbers").appendChild(document.createElement("div"));
    pair.append(element("dt", name), element("dd", value));
  }
  URL.revokeObjectURL(at("player").src);
  at("player").src = URL.createObjectURL(file);
  list(reply);
  at("worst").hidden = !several;
  at("result").hidden = false;
  paint(reply.spectrogram);
  shown = reply;
  draw();
  at("result").focus();
}

function list(reply) {
  at("windows").replaceChildren(...reply.windows.map((each) => {
    const row = document.createElement("tr");
    const listen = element("button", "listen");
    listen.setAttribute("aria-label", `listen from ${each.start_s.toFixed(1)} s`);
    listen.onclick = () => { at("player").currentTime = each.start_s; at("player").play(); };
    row.append(element("td", each.start_s.toFixed(2)), element("td", each.end_s.toFixed(2)),
      element("td", signed(each.score, 3)), element("td", WORDS[each.decision], each.decision), document.createElement("td"));
    row.lastChild.append(listen);
    if (each.start_s === reply.worst.start_s) row.className = "worst";
    return row;
  }));
  at("more").open = reply.windows.length <= 8;
}

function paint(picture) {
  const canvas = at("spectrogram"), context = canvas.getContext("2d");
  [canvas.width, canvas.height] = [picture.columns, picture.rows];
  const shades = atob(picture.shades), image = context.createImageData(picture.columns, picture.rows);
  for (let row = 0; row < picture.rows; row++) {
    for (let column = 0; column < picture.columns; column++) {
      const level = shades.charCodeAt(row * picture.columns + column) / 255;
      const pixel = 4 * ((picture.rows - 1 - row) * picture.columns + column);
      image.data.set(colour(level), pixel);
    }
  }
  context.putImageData(image, 0, 0);
}

// black, violet, orange, pale yellow: lightness rises evenly, so it reads without colour too
function colour(level) {
  const stops = [[4, 4, 18], [72, 28, 110], [180, 54, 100], [248, 142, 84], [252, 236, 180]];
  const place = Math.min(level * 4, 3.999), low = Math.floor(place), share = place - low;
  return [...stops[low].map((value, i) => value + share * (stops[low + 1][i] - value)), 255];
}

function draw() {
  if (!shown || at("result").hidden) return;
  const box = at("plot"), width = box.clientWidth - MARGIN.left - MARGIN.right;
  const height = box.clientHeight - MARGIN.top - MARGIN.bottom, { windows, threshold, duration_s: duration } = shown;
  Object.assign(at("spectrogram").style, { left: `${MARGIN.left}px`, top: `${MARGIN.top}px`, width: `${width}px`, height: `${height}px` });
  const scores = windows.map((each) => each.score);
  if (threshold !== null) scores.push(threshold);
  const spread = Math.max(Math.max(...scores) - Math.min(...scores), 0.5);
  const [low, high] = [Math.min(...scores) - 0.15 * spread, Math.max(...scores) + 0.15 * spread];
  const x = (seconds) => MARGIN.left + (width * seconds) / duration;
  const y = (score) => MARGIN.top + (height * (high - score)) / (high - low);
  box.querySelector("svg")?.remove();
  const svg = shape(box, "svg", { role: "img", "aria-label": describe(shown) });
  axes(svg, x, y, { width, height, low, high, duration });
  const worst = shown.worst, bottom = MARGIN.top + height;
  if (windows.length > 1) {
    shape(svg, "rect", { class: "worst", x: x(worst.start_s), y: MARGIN.top, width: x(worst.end_s) - x(worst.start_s), height });
  }
  if (threshold !== null) shape(svg, "line", { class: "threshold", x1: x(0), x2: x(duration), y1: y(threshold), y2: y(threshold) });
  const middle = (each) => x((each.start_s + each.end_s) / 2);
  const points = windows.map((each) => `${middle(each)},${y(each.score)}`).join(" ");
  for (const kind of ["halo", "score"]) shape(svg, "polyline", { class: kind, points });
  for (const each of windows) mark(svg, each, x, y, middle(each), windows.length);
  shape(svg, "line", { class: "cursor", id: "cursor", y1: MARGIN.top, y2: bottom, x1: x(0), x2: x(0) });
}

function mark(svg, each, x, y, centre, count) {
  const level = y(each.score);
  if (count <= 40) shape(svg, "line", { class: "span", x1: x(each.start_s), x2: x(each.end_s), y1: level, y2: level });
  const size = count > 60 ? 3 : 6;  // a shape for each call, so that it reads without colour too
  const point = each.decision === "bonafide"
    ? shape(svg, "circle", { cx: centre, cy: level, r: size })
    : shape(svg, "path", { d: `M${centre} ${level - size - 1}l${size + 1} ${size + 1}-${size + 1} ${size + 1}-${size + 1}-${size + 1}z` });
  point.setAttribute("class", `point ${each.decision}`);
  const called = `${each.start_s.toFixed(1)} to ${each.end_s.toFixed(1)} s: ${signed(each.score)}, ${WORDS[each.decision]}`;
  shape(point, "title", {}, called);
}

function axes(svg, x, y, { width, height, low, high, duration }) {
  const [right, bottom] = [MARGIN.left + width, MARGIN.top + height];
  for (let seconds = 0, step = round(duration / 8); seconds <= duration; seconds += step) {
    shape(svg, "text", { x: x(seconds), y: bottom + 16, "text-anchor": "middle" }, +seconds.toFixed(3));
  }
  shape(svg, "text", { x: MARGIN.left + width / 2, y: bottom + 32, "text-anchor": "middle" }, "seconds");
  for (const khz of [0, 2, 4, 6, 8]) {
    const place = bottom - (height * khz) / 8;
    shape(svg, "text", { x: MARGIN.left - 6, y: place + 4, "text-anchor": "end" }, khz === 8 ? "8 kHz" : khz);
  }
  const step = round((high - low) / 5);
  for (let score = Math.ceil(low / step) * step; score <= high; score += step) {
    shape(svg, "text", { x: right + 6, y: y(score) + 4 }, Math.abs(score) < step / 2 ? "0" : signed(score, step < 0.1 ? 2 : step < 1 ? 1 : 0));
  }
  shape(svg, "text", { x: right + 14, y: bottom + 16 }, "score");
}

function round(step) {
  const power = 10 ** Math.floor(Math.log10(step));
  return power * [1, 2, 5, 10].find((factor) => factor * power >= step);
}

function describe(reply) {
  return `Spectrogram of ${reply.duration_s.toFixed(1)} s with ${reply.windows.length} window scores from ` +
    `${signed(reply.worst.score)}; threshold ${reply.threshold === null ? "none" : signed(reply.threshold)}`;
}

function wire() {
  const drop = at("drop");
  at("file").onchange = (event) => { if (event.target.files[0]) send(event.target.files[0]); event.target.value = ""; };
  for (const kind of ["dragover", "drop"]) document.addEventListener(kind, (event) => event.preventDefault());
  document.addEventListener("dragover", () => drop.classList.add("over"));
  document.addEventListener("dragleave", () => drop.classList.remove("over"));
  document.addEventListener("drop", (event) => {
    drop.classList.remove("over");
    if (event.dataTransfer.files[0]) send(event.dataTransfer.files[0]);
  });
  at("player").ontimeupdate = () => {
    const place = MARGIN.left + (at("plot").clientWidth - MARGIN.left - MARGIN.right) * at("player").currentTime / shown.duration_s;
    for (const end of ["x1", "x2"]) at("cursor")?.setAttribute(end, place);
  };
  window.addEventListener("resize", draw);
  introduce().catch(() => { at("about").textContent = "The server does not answer."; });
}

wire();
