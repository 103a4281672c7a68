// Building elements.  All text goes in as text nodes, so nothing that a server says can become markup.

/** An element with a class and children; strings become text, null is left out. */
export function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  for (const child of children) if (child !== null) made.append(child);
  return made;
}

export function byId(id) {
  return document.getElementById(id);
}

/** Replace the children only when something differs: selections survive and nothing is announced twice. */
export function fill(target, children) {
  const draft = element(target.tagName, "", ...children);
  if (draft.innerHTML !== target.innerHTML) target.replaceChildren(...draft.childNodes);
}

/** Set text and class only when they differ. */
export function say(target, text, className) {
  if (target.textContent !== text) target.textContent = text;
  if (className !== undefined && target.className !== className) target.className = className;
}
