import type { PluginNames } from './plugin-names.ts'

/** What the placeholders of a template stand for. */
export interface TemplateValues extends PluginNames {
  /** The range of versions that a package is asked for with. */
  readonly range: (packageName: string) => string
}

/**
 * A template's text with its placeholders filled. They are identifiers or parts of such, so that templates can be read, formatted and checked as
 * what they are: `__factory__`, `ERR___CODE___ACCESS`. Pure.
 */
export function fillTemplate(text: string, values: TemplateValues): string {
  const filled: Readonly<Record<string, string>> = {
    package: values.packageName,
    name: values.shortName,
    factory: values.factory,
    Name: values.typeName,
    CODE: values.errorArea
  }
  return text
    .replace(/__range:([^_]+)__/g, (_, name: string) => values.range(name))
    .replace(/__(package|name|factory|Name|CODE)__/g, (_, placeholder: string) => filled[placeholder] as string)
}
