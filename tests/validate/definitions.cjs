// Reads [{file, text}] from stdin and writes the findings of the validators: [{file, line, state, tool, message}].
// The only argument is the directory that the npm packages are installed in.
const path = require("node:path");
const { createRequire } = require("node:module");
const packages = createRequire(path.resolve(process.argv[2], "package.json"));
const { getLanguageService, TextDocument } = packages("amazon-states-language-service");
const validateSchema = packages("asl-validator");
const jsonc = packages("jsonc-parser");
const expressionFindings = require("./expressions.cjs")(packages("jsonata"));

async function main() {
  const definitions = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
  const findings = [];
  for (const { file, text } of definitions) {
    const add = (tool, offset, message) => findings.push({ file, tool, message, ...place(text, offset) });
    for (const each of await languageServiceFindings(text)) add("language service", each.offset, each.message);
    let machine;
    try {
      machine = JSON.parse(text);
    } catch (error) {
      add("JSON", 0, error.message);
      continue;
    }
    const root = jsonc.parseTree(text);
    const offsetOf = (path) => jsonc.findNodeAtLocation(root, path)?.offset ?? 0;
    for (const each of validateSchema(structuredClone(machine)).errors) {
      add("asl-validator", offsetOf(pointer(each, machine)), `${each["Error code"]}: ${each.Message}`);
    }
    for (const each of expressionFindings(machine)) add("JSONata", offsetOf(each.path), each.message);
  }
  process.stdout.write(JSON.stringify(findings));
}

async function languageServiceFindings(text) {
  const service = getLanguageService({});
  const document = TextDocument.create("file:///definition.asl.json", "asl", 1, text);
  const found = await service.doValidation(document, service.parseJSONDocument(document), {});
  return found.map((each) => ({ offset: document.offsetAt(each.range.start), message: each.message }));
}

// The path of a schema error; a number in it is an index where it leads into an array.
function pointer(error, machine) {
  const path = [];
  let node = machine;
  for (const step of (error.schemaError?.instancePath ?? "").split("/").slice(1)) {
    path.push(Array.isArray(node) ? Number(step) : step.replaceAll("~1", "/").replaceAll("~0", "~"));
    node = node?.[path.at(-1)];
  }
  return path;
}

function place(text, offset) {
  const line = text.slice(0, offset).split("\n").length;
  // An offset on a key's first quote belongs to the object around it.
  const location = jsonc.getLocation(text, offset + 1).path;
  const last = location.lastIndexOf("States");
  return { line, state: last < 0 ? null : (location[last + 1] ?? null) };
}

main();
