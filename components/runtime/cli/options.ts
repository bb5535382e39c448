/** Values of an option that may be given more than once, in their order. */
export function collect(value: string, earlier: string[]): string[] {
  return [...earlier, value];
}
