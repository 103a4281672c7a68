// Shows the OpenAPI document: paths by chapter, each with its parameters, answers and schemas.

import { byId, element, say } from "./dom.js";

const METHODS = ["get", "post", "put", "delete", "head", "options"];

/** One entry for each path: all its methods share one description. */
function routesOf(description) {
  return Object.entries(description.paths).map(([path, operations]) => {
    const methods = METHODS.filter((method) => method in operations);
    return { path, methods, operation: operations[methods[methods.length - 1]], chapter: operations[methods[0]].tags[0] };
  });
}

/** Texts in backquotes are shown as code. */
function marked(text) {
  return text.split("`").map((part, index) => (index % 2 ? element("code", "", part) : part));
}

function nameOf(reference) {
  return reference.slice(reference.lastIndexOf("/") + 1);
}

/** What a schema is, in a few words; named schemas are links. */
function words(schema) {
  if (schema.$ref) {
    const link = element("a", "", nameOf(schema.$ref));
    link.href = `#schema-${nameOf(schema.$ref)}`;
    return [link];
  }
  if (schema.enum) return [schema.enum.map((word) => JSON.stringify(word)).join(" | ")];
  const several = schema.anyOf || schema.oneOf;
  if (several) return several.flatMap((part, index) => (index ? [" or ", ...words(part)] : words(part)));
  if (schema.type === "array") return ["list of ", ...words(schema.items || {})];
  return [schema.type || "anything"];
}

function table(headings, rows) {
  const head = element("tr", "", ...headings.map((heading) => element("th", "", heading)));
  const body = rows.map((cells) => element("tr", "", ...cells.map((cell) => element("td", "", ...cell))));
  const made = element("table", "", element("thead", "", head), element("tbody", "", ...body));
  return element("div", "scroll", made);
}

function parametersOf(operation) {
  const query = operation.parameters.map((each) => [[each.name], [each.in], words(each.schema), marked(each.description || "")]);
  const body = operation.requestBody?.content["application/json"]?.schema.properties || {};
  const known = new Set(operation.parameters.map((each) => each.name));
  const only = Object.entries(body).filter(([name]) => !known.has(name));
  return [...query, ...only.map(([name, schema]) => [[name], ["body"], words(schema), marked(schema.description || "")])];
}

function answersOf(operation) {
  return Object.entries(operation.responses).map(([status, answer]) => {
    const kinds = Object.entries(answer.content || {});
    const body = kinds.flatMap(([media, each], index) => [index ? ", " : "", `${media}: `, ...words(each.schema)]);
    return [[status], marked(answer.description), body];
  });
}

function routeShown(route) {
  const { operation } = route;
  const summary = element(
    "summary",
    "",
    element("span", "method", route.methods.map((method) => method.toUpperCase()).join(" ")),
    " ",
    element("code", "", route.path),
    element("span", "detail", ...marked(operation.summary)),
  );
  const made = element("details", "route", summary);
  made.addEventListener("toggle", () => {
    if (!made.open || made.childElementCount > 1) return;
    made.append(element("p", "detail", `Grant: ${operation["x-grant"]}`));
    const parameters = parametersOf(operation);
    if (parameters.length) made.append(table(["Parameter", "In", "Type", "Meaning"], parameters));
    made.append(table(["Answer", "Meaning", "Body"], answersOf(operation)));
  });
  return made;
}

function schemaShown([name, schema]) {
  const required = new Set(schema.required || []);
  const rows = Object.entries(schema.properties || {}).map(([key, part]) => [
    [element("code", "", key)],
    words(part),
    [required.has(key) ? "" : "may be absent"],
  ]);
  const made = element("details", "route", element("summary", "", element("code", "", name)));
  made.id = `schema-${name}`;
  made.append(rows.length ? table(["Key", "Type", ""], rows) : element("p", "detail", ...words(schema)));
  return made;
}

function show(description) {
  const routes = routesOf(description);
  say(byId("title"), `${description.info.title} ${description.info.version}`);
  byId("about").replaceChildren(...marked(description.info.description));
  const shown = routes.map((route) => ({ route, part: routeShown(route) }));
  const chapters = description.tags.map(({ name }) => {
    const parts = shown.filter(({ route }) => route.chapter === name).map(({ part }) => part);
    return element("section", "card", element("h2", "", name), ...parts);
  });
  byId("chapters").replaceChildren(...chapters);
  byId("schemas").replaceChildren(...Object.entries(description.components.schemas).map(schemaShown));
  const narrow = () => {
    const wanted = byId("filter").value.trim().toLowerCase();
    for (const { route, part } of shown) part.hidden = !route.path.toLowerCase().includes(wanted);
    for (const chapter of chapters) chapter.hidden = !chapter.querySelector("details:not([hidden])");
    say(byId("count"), `${shown.filter(({ part }) => !part.hidden).length} of ${routes.length} paths`);
  };
  byId("filter").addEventListener("input", narrow);
  narrow();
  openLinked();
}

/** Links to a schema open it. */
function openLinked() {
  const target = location.hash ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null;
  if (target?.tagName === "DETAILS") {
    target.open = true;
    target.scrollIntoView();
  }
}

async function begin() {
  try {
    const answer = await fetch("/api/openapi.json");
    if (!answer.ok) throw new Error(`the description cannot be read: ${answer.status}`);
    show(await answer.json());
  } catch (error) {
    const trouble = byId("trouble");
    say(trouble, error.message);
    trouble.hidden = false;
  }
}

window.addEventListener("hashchange", openLinked);
begin();
