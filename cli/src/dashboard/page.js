// Keeps the page as it is now, without losing the place of whoever reads it. The page works without this script.
"use strict";

const OPEN = 2000;    // Between two looks while something goes on, in milliseconds.
const QUIET = 5000;   // And while nothing does.

const said = document.getElementById("said");
const fresh = document.getElementById("fresh");
let tag = null;

// Puts the new page's content in place of the old one, and the focus where it was.
function replace(page) {
  const now = page.querySelector("main");
  const before = document.querySelector("main");
  if (!now || !before || now.isEqualNode(before)) return;
  const focused = document.activeElement;
  if (focused && focused.matches("input")) return;
  const id = focused && before.contains(focused) ? focused.id : "";
  const open = [...before.querySelectorAll("details[open][id]")].map((details) => details.id);
  // What was loaded later stays until it is loaded again.
  const later = before.querySelector("[data-later]");
  const place = now.querySelector("[data-later]");
  if (later && place) place.replaceWith(later);
  const summary = now.dataset.says;
  if (summary && summary !== before.dataset.says) said.textContent = summary;
  before.replaceWith(now);
  document.title = page.title;
  open.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
  if (id) document.getElementById(id)?.focus({preventScroll: true});
}

async function get(address, headers = {}) {
  const answer = await fetch(address, {headers, cache: "no-store", redirect: "error"});
  if (answer.status === 304) return null;
  if (!answer.ok) throw new Error(`the dashboard answers ${answer.status}`);
  return answer;
}

function parsed(text) {
  return new DOMParser().parseFromString(text, "text/html");
}

// What goes on in all stacks takes longer to read than the first sheet.
async function later() {
  const place = document.querySelector("[data-later]");
  if (!place) return;
  const page = parsed(await (await get(place.dataset.later)).text());
  const content = page.getElementById("news");
  if (!content) return;
  if (content.dataset.says !== place.dataset.says) said.textContent = content.dataset.says;
  place.dataset.says = content.dataset.says;
  place.replaceChildren(...content.children);
}

async function look() {
  try {
    if (!document.hidden) {
      const answer = await get(location.href, tag ? {"If-None-Match": tag} : {});
      if (answer) {
        tag = answer.headers.get("ETag");
        replace(parsed(await answer.text()));
      }
      await later();
      fresh.textContent = `as of ${new Date().toLocaleTimeString()}`;
      fresh.className = "";
    }
  } catch (error) {
    fresh.textContent = `not up to date: ${error.message}`;
    fresh.className = "bad";
  }
  const open = document.querySelector("main")?.dataset.open === "true" || document.querySelector("[data-busy]");
  setTimeout(look, open ? OPEN : QUIET);
}

// Whoever is asked something is not disturbed.
if (document.body.dataset.live) look();
