// Holds the chart's dashboards against Grafana's published types, field by field: writes each part as a literal of its type
// and lets the compiler judge, who refuses a field that the type does not know, a missing one, and a value that it may not have.
//
// node check.mjs DASHBOARDS OUTPUT: the folder with the dashboards; the file that is written for the compiler
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const [folder, output] = process.argv.slice(2);
// Types of options and of custom fields, by the kind of a panel.
const kinds = { stat: "stat/Stat", timeseries: "timeseries/TimeSeries", "state-timeline": "statetimeline/StateTimeline" };
const lines = [
  'import type { AnnotationQuery, Dashboard, Panel, VariableModel } from "@grafana/schema";',
  // JSON has the words of an enumeration, not its names.
  "type Json<T> = unknown extends T ? T : T extends string ? `${T}` : T extends object ? { [K in keyof T]: Json<T[K]> } : T;",
  // What a panel leaves out has a default.
  "type Some<T> = T extends (infer U)[] ? Some<U>[] : T extends object ? { [K in keyof T]?: Some<T[K]> } : T;",
];
for (const path of Object.values(kinds)) {
  const [kind, name] = path.split("/");
  lines.push(`import type * as ${kind} from "@grafana/schema/dist/esm/raw/composable/${kind}/panelcfg/x/${name}PanelCfg_types.gen";`);
}
let number = 0;
const is = (type, value) => lines.push(`export const part${++number}: ${type} = ${JSON.stringify(value)};`);

for (const file of readdirSync(folder).filter((name) => name.endsWith(".json")).sort()) {
  const { panels, templating, annotations, ...dashboard } = JSON.parse(readFileSync(join(folder, file), "utf8"));
  lines.push(`// ${file}`);
  is("Json<Dashboard>", dashboard);
  templating.list.forEach((variable) => is("Json<VariableModel>", variable));
  for (const annotation of annotations.list) {
    // Read by Grafana's own Prometheus data source; the type of annotations is that of all data sources.
    const { expr, step, useValueForTime, titleFormat, ...common } = annotation;
    is("Json<AnnotationQuery>", common);
  }
  for (const { options, fieldConfig, ...panel } of panels) {
    const { custom, ...defaults } = fieldConfig.defaults;
    if (!kinds[panel.type]) throw new Error(`${file}: a panel of the kind ${panel.type}, which is not known here`);
    const [kind] = kinds[panel.type].split("/");
    lines.push(`// ${file}: ${panel.title}`);
    is("Json<Panel>", panel);
    is('Json<Panel["fieldConfig"]>', { ...fieldConfig, defaults });
    is(`Some<Json<${kind}.Options>>`, options);
    if (custom) is(`Some<Json<${kind}.FieldConfig>>`, custom);
  }
}
if (number < 100) throw new Error(`only ${number} parts of dashboards in ${folder}`);
writeFileSync(output, lines.join("\n") + "\n");
console.log(`${number} parts of dashboards are held against the types`);
