"use strict";
const bodies = [...document.querySelectorAll("tbody[data-step]")];
const bands = [...document.querySelectorAll(".timeline [data-step]")];
const picture = document.getElementById("picture");
const drawing = picture.querySelector("svg");
const said = document.getElementById("now");
const [first, back, forward, last] = ["first", "back", "forward", "last"].map((id) => document.getElementById(id));
let step = 0;

function veil(end) {
  let cover = drawing.querySelector(".veil");
  if (!cover) {
    cover = document.createElementNS(drawing.namespaceURI, "rect");
    cover.setAttribute("class", "veil");
    const legend = drawing.querySelector(".legend");
    drawing.insertBefore(cover, legend);
    cover.setAttribute("y", "0");
    cover.setAttribute("height", String(legend.getBBox().y - 4));
  }
  const width = drawing.viewBox.baseVal.width;
  cover.setAttribute("x", String(Math.min(end, width)));
  cover.setAttribute("width", String(Math.max(width - end, 0)));
}

// Scrolls no further than it must, so that the labels at the left stay in view for as long as possible.
function reveal(begin, end) {
  const right = end + 20 - picture.clientWidth;
  if (picture.scrollLeft < right) picture.scrollLeft = right;
  if (picture.scrollLeft > begin - 20) picture.scrollLeft = end < picture.clientWidth ? 0 : begin - 20;
}

function show(wanted, stepped) {
  step = Math.min(Math.max(wanted, 1), bodies.length);
  for (const body of bodies) {
    if (Number(body.dataset.step) === step) body.setAttribute("aria-current", "step");
    else body.removeAttribute("aria-current");
  }
  let end = 0;
  for (const band of bands) {
    const here = Number(band.dataset.step) === step;
    band.classList.toggle("now", here);
    if (!here) continue;
    const begin = band.x.baseVal.value;
    end = Math.max(end, begin + band.width.baseVal.value);
    reveal(begin, begin + band.width.baseVal.value);
  }
  if (stepped && end) veil(end);
  said.textContent = bodies[step - 1].dataset.told;
  first.disabled = back.disabled = step === 1;
  last.disabled = forward.disabled = step === bodies.length;
}

const moves = {
  ArrowLeft: () => step - 1,
  ArrowRight: () => step + 1,
  Home: () => 1,
  End: () => bodies.length,
};
document.addEventListener("keydown", (event) => {
  const move = moves[event.key];
  if (!move || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  show(move(), true);
});
first.addEventListener("click", () => show(1, true));
back.addEventListener("click", () => show(step - 1, true));
forward.addEventListener("click", () => show(step + 1, true));
last.addEventListener("click", () => show(bodies.length, true));
for (const body of bodies) body.addEventListener("click", () => show(Number(body.dataset.step), true));
if (bodies.length) show(Number(document.body.dataset.start), false);
