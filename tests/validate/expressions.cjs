// Parses every {% %} of a definition, and looks up each function and variable that it names.

// JSONata 2.0 without $eval, and what Step Functions adds.
const FUNCTIONS = new Set(
  (
    "sum count max min average string substring substringBefore substringAfter lowercase uppercase length trim pad " +
    "match contains replace split join formatNumber formatBase formatInteger parseInteger number floor ceil round " +
    "abs sqrt power random boolean not map zip filter single reduce sift keys lookup append exists spread merge " +
    "reverse each error assert type sort shuffle distinct base64encode base64decode encodeUrlComponent encodeUrl " +
    "decodeUrlComponent decodeUrl toMillis fromMillis clone now millis " +
    "partition range hash uuid parse"
  ).split(" "),
);

module.exports = (jsonata) =>
  function expressionFindings(machine) {
    return [...scopes(machine, [], new Set())].flatMap(({ value, path, variables }) =>
      faults(jsonata, value, variables).map((message) => ({ path, message })),
    );
  };

// Every text with an expression, with its path and the workflow variables that it may read.
function* scopes(machine, path, outer) {
  const variables = new Set([...outer, ...assigned(machine.States ?? {})]);
  for (const [name, state] of Object.entries(machine.States ?? {})) {
    const place = [...path, "States", name];
    for (const [field, value] of Object.entries(state)) {
      if (field === "ItemProcessor" || field === "Iterator") {
        const isDistributed = value.ProcessorConfig?.Mode === "DISTRIBUTED";
        yield* scopes(value, [...place, field], isDistributed ? new Set() : variables);
      } else if (field === "Branches") {
        for (const [index, branch] of value.entries()) yield* scopes(branch, [...place, field, index], variables);
      } else if (field !== "Comment") {
        for (const found of texts(value, [...place, field])) yield { ...found, variables };
      }
    }
  }
}

function assigned(states) {
  return Object.values(states).flatMap((state) =>
    [state, ...(state.Catch ?? []), ...(state.Choices ?? [])].flatMap((each) => Object.keys(each.Assign ?? {})),
  );
}

function* texts(value, path) {
  if (typeof value === "string") {
    if (value.includes("{%") || value.includes("%}")) yield { value, path };
  } else if (value !== null && typeof value === "object") {
    for (const [key, each] of Object.entries(value)) {
      if (key !== "Comment") yield* texts(each, [...path, Array.isArray(value) ? Number(key) : key]);
    }
  }
}

function faults(jsonata, text, variables) {
  if (!text.startsWith("{%") || !text.endsWith("%}")) return [`{% %} must be the whole text: ${text}`];
  const source = text.slice(2, -2).trim();
  let tree;
  try {
    tree = jsonata(source).ast();
  } catch (error) {
    return [`${error.message} (${error.code}): ${source}`];
  }
  const nodes = [...walk(tree)];
  const bound = new Set(nodes.flatMap(names));
  const called = nodes.filter((node) => node.procedure?.type === "variable").map((node) => node.procedure);
  const isKnown = (name) => FUNCTIONS.has(name) || bound.has(name) || variables.has(name) || name === "states";
  return nodes
    .filter((node) => node.type === "variable" && node.value !== "" && !isKnown(node.value))
    .map((node) => `${called.includes(node) ? "unknown function" : "unbound variable"} $${node.value}: ${source}`);
}

function* walk(node) {
  if (node === null || typeof node !== "object" || node instanceof RegExp) return;
  if (typeof node.type === "string") yield node;
  for (const each of Object.values(node)) yield* walk(each);
}

// The variables that a node binds: by :=, as parameters, by @ and by #.
function names(node) {
  const own = [node.focus, node.index].filter((each) => typeof each === "string");
  if (node.type === "bind") own.push(node.lhs.value);
  if (node.type === "lambda") own.push(...node.arguments.map((each) => each.value));
  return own;
}
