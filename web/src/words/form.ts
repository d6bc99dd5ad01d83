// A form question: the fields that its JSON Schema (2020-12) asks for, as far as a person can fill them in one by one.

/** One field. `kind` says what its value becomes. */
export interface Field { name: string; title: string; hint: string; kind: 'string' | 'number' | 'boolean'; required: boolean; options: string[]; input: 'text' | 'date' | 'email' | 'url' | 'datetime-local' | 'text'; long: boolean; whole: boolean }

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** The fields of a flat object schema; null if it asks for more than that. */
export function fieldsOf(schema: unknown): Field[] | null {
  if (typeof schema !== 'object' || schema === null) return null;
  const { properties, required } = schema as { properties?: unknown; required?: unknown };
  if (typeof properties !== 'object' || properties === null) return null;
  const needed = new Set(Array.isArray(required) ? required.map(String) : []);
  const out: Field[] = [];
  for (const [name, value] of Object.entries(properties as Record<string, Record<string, unknown>>)) {
    const options = Array.isArray(value.enum) ? value.enum.map(String) : Array.isArray(value.oneOf) ? value.oneOf.map((each: { const?: unknown }) => String(each.const)) : [];
    const type = text(value.type) || (options.length > 0 ? 'string' : '');
    if (!['string', 'number', 'integer', 'boolean'].includes(type)) {
      if (needed.has(name)) return null;
      continue;
    }
    const format = text(value.format);
    out.push({
      name, title: text(value.title) || name.charAt(0).toUpperCase() + name.slice(1).replaceAll('_', ' '), hint: text(value.description), required: needed.has(name), options, whole: type === 'integer',
      kind: type === 'boolean' ? 'boolean' : type === 'string' ? 'string' : 'number', input: format === 'date' ? 'date' : format === 'email' ? 'email' : format === 'uri' ? 'url' : 'text',
      long: type === 'string' && options.length === 0 && (typeof value.maxLength !== 'number' || value.maxLength > 200) && format === '' && value.pattern === undefined,
    });
  }
  return out.length > 0 && out.length <= 40 ? out : null;
}

/** What was filled in, as the schema's value; and what is missing or no number, by field. */
export function valueOf(fields: readonly Field[], values: Readonly<Record<string, string | boolean>>, missing: string, number: string): { value: Record<string, unknown>; problems: Record<string, string> } {
  const value: Record<string, unknown> = {};
  const problems: Record<string, string> = {};
  for (const field of fields) {
    const given = values[field.name];
    if (field.kind === 'boolean') { value[field.name] = given === true; continue; }
    const typed = String(given ?? '').trim();
    if (typed === '') { if (field.required) problems[field.name] = missing; continue; }
    if (field.kind === 'string') { value[field.name] = typed; continue; }
    const parsed = Number(typed.replace(',', '.'));
    if (!Number.isFinite(parsed) || (field.whole && !Number.isInteger(parsed))) problems[field.name] = number;
    else value[field.name] = parsed;
  }
  return { value, problems };
}
