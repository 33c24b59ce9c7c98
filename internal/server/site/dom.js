// What every part of the page needs of the document.

export const $ = (id) => document.getElementById(id);

// make builds an element. Children are elements or text; those that are nothing are left out.
export function make(tag, properties = {}, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in e) e[name] = value;
    else e.setAttribute(name, value);
  }
  e.append(...children.filter(Boolean));
  return e;
}

// say puts text into an element and shows it; no text hides it.
export function say(id, text) {
  $(id).textContent = text;
  $(id).hidden = !text;
}

// goTo moves focus and view to an element.
export function goTo(element) {
  element.focus({ preventScroll: true });
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  element.scrollIntoView({ behavior: calm ? "auto" : "smooth", block: element.matches("h1, h2") ? "start" : "center" });
}

// clock is a time in a recording, as 1:05.
export function clock(ms) {
  const s = Math.floor(ms / 1000);
  return Math.floor(s / 60) + ":" + String(s % 60).padStart(2, "0");
}

// long is a length of time in words, as 2 min 30 s.
export function long(seconds) {
  const s = Math.round(seconds);
  if (s < 60) return s + " s";
  return Math.floor(s / 60) + " min" + (s % 60 ? " " + (s % 60) + " s" : "");
}
