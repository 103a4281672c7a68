// The page: log in, choose a cluster, and keep what is shown fresh.

import { NotLoggedIn, clusterPath, logIn, logOut, loggedIn, read } from "./api.js";
import { draw } from "./cluster.js";
import { byId, element, fill, say } from "./dom.js";

const DETAIL_EVERY = 1000; // milliseconds
const LIST_EVERY = 5000;
const OLD = 5; // seconds after which what is shown is called old

let clusters = [];
let listedAt = -Infinity;
let timer = 0;
let round = 0;

function selected() {
  const names = clusters.map((cluster) => cluster.name);
  return names.find((name) => location.hash === `#${encodeURIComponent(name)}`) ?? names[0];
}

async function refresh() {
  clearTimeout(timer);
  const mine = ++round;
  try {
    if (performance.now() - listedAt > LIST_EVERY) {
      clusters = (await read("/api/clusters")).body;
      listedAt = performance.now();
    }
    drawList();
    const name = selected();
    if (name === undefined) throw new Error("No cluster is configured.");
    const { body, age } = await read(clusterPath(name, "/snapshot"));
    if (mine !== round) return;
    draw(body);
    show("cluster");
    tellAge(age, body.generation);
  } catch (error) {
    if (mine !== round) return;
    if (error instanceof NotLoggedIn) return show("login");
    trouble(error.message);
  }
  if (mine === round && !document.hidden) timer = setTimeout(refresh, DETAIL_EVERY);
}

function drawList() {
  fill(byId("clusters"), clusters.map((cluster) => {
    const mark = cluster.protected ? "● " : cluster.writerAlive ? "▲ " : "✕ ";
    const link = element("a", "", mark + cluster.name);
    link.href = `#${encodeURIComponent(cluster.name)}`;
    if (cluster.name === selected()) link.setAttribute("aria-current", "page");
    return link;
  }));
}

function tellAge(age, generation) {
  if (!generation) {
    say(byId("freshness"), "not observed yet");
    return trouble("repman's monitor has not published this cluster yet; see that it runs.");
  }
  const known = age !== null;
  say(byId("freshness"), known ? `seen ${age.toFixed(1)} s ago` : "age unknown");
  if (!known || age > OLD) {
    const since = known ? `for ${Math.round(age)} s` : "since before the last boot";
    return trouble(`The monitor has been silent ${since}: what is shown is old.`);
  }
  byId("trouble").hidden = true;
}

function trouble(text) {
  say(byId("trouble"), text);
  byId("trouble").hidden = false;
}

function show(what) {
  const login = what === "login";
  const appears = login && byId("login").hidden;
  byId("login").hidden = !login;
  byId("cluster").hidden = login;
  byId("clusters").hidden = login;
  byId("logout").hidden = login;
  if (login) {
    say(byId("freshness"), "");
    byId("trouble").hidden = true;
  }
  if (appears) byId("username").focus();
}

byId("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const button = form.querySelector("button");
  button.disabled = true;
  say(byId("login-error"), "");
  try {
    await logIn(form.username.value, form.password.value);
    form.reset();
    listedAt = -Infinity;
    await refresh();
    byId("content").focus();
  } catch (error) {
    say(byId("login-error"), error.message);
    form.password.select();
  } finally {
    button.disabled = false;
  }
});

byId("logout").addEventListener("click", () => {
  round += 1;
  clearTimeout(timer);
  logOut();
  show("login");
});

addEventListener("hashchange", refresh);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && loggedIn()) refresh();
});

if (loggedIn()) refresh();
else show("login");
