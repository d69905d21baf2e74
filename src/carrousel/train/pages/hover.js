"use strict";
// Values under the pointer, for charts (data-chart) and heat maps (data-map). Without this script the page is a picture.
const tip = document.createElement("div");
tip.id = "tip";
tip.hidden = true;
document.body.append(tip);

function show(event, text) {
  tip.textContent = text;
  tip.hidden = false;
  const room = innerWidth - tip.offsetWidth - 8;
  tip.style.left = Math.max(4, Math.min(event.clientX + 14, room)) + "px";
  tip.style.top = (event.clientY > 44 ? event.clientY - 36 : event.clientY + 18) + "px";
}

function figure(value) {
  return Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en") : String(+value.toPrecision(4));
}

function made(name, attributes, parent) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const key in attributes) element.setAttribute(key, attributes[key]);
  parent.append(element);
  return element;
}

for (const svg of document.querySelectorAll("[data-chart]")) {
  const chart = JSON.parse(svg.dataset.chart);
  const line = made("path", { class: "pointer", visibility: "hidden" }, svg);
  const dot = made("circle", { class: "pointed", r: 3.5, visibility: "hidden" }, svg);
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * chart.width;
    const down = ((event.clientY - box.top) / box.width) * chart.width;
    const gap = (point) => Math.abs(point[2] - at) + Math.abs(point[3] - down) / 1000;
    const [x, y, left, height] = chart.points.reduce((best, point) => (gap(point) < gap(best) ? point : best));
    line.setAttribute("d", `M${left} ${chart.top}V${chart.bottom}`);
    dot.setAttribute("cx", left);
    dot.setAttribute("cy", height);
    for (const part of [line, dot]) part.setAttribute("visibility", "visible");
    const where = chart.names.length ? chart.names[x] : `${figure(x)} ${chart.label}`;
    show(event, `${chart.name} ${figure(y)} at ${where}`);
  });
  svg.addEventListener("pointerleave", () => {
    tip.hidden = true;
    for (const part of [line, dot]) part.setAttribute("visibility", "hidden");
  });
}

for (const image of document.querySelectorAll("[data-map]")) {
  const map = JSON.parse(image.dataset.map);
  const numbers = Uint8Array.from(atob(map.numbers), (letter) => letter.charCodeAt(0));
  image.addEventListener("pointermove", (event) => {
    const box = image.getBoundingClientRect();
    const step = Math.min(map.steps - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * map.steps)));
    const unit = Math.min(map.units - 1, Math.max(0, Math.floor(((event.clientY - box.top) / box.height) * map.units)));
    const value = map.low + (numbers[step * map.units + unit] / 255) * (map.high - map.low);
    const word = map.words[step] === undefined ? "" : ` “${map.words[step]}”`;
    show(event, `${map.name} ${value.toFixed(2)} at step ${step + 1}${word}, unit ${unit + 1}`);
  });
  image.addEventListener("pointerleave", () => (tip.hidden = true));
}
