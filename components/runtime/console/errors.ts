import { ExitCode, ShadownetError, didYouMean } from "../../internal/problems";

/** An error for something that was asked for by name and is not there. */
export function notFound(what: string, given: string, known: Iterable<string>): ShadownetError {
  const all = [...known];
  const listed = all.length === 0 ? "there is none" : `there are ${all.slice(0, 20).join(", ")}`;
  const message = `no ${what} "${given}"; ${listed}${didYouMean(given, all)}`;
  return new ShadownetError(`no-such-${what.replaceAll(" ", "-")}`, message, ExitCode.BadInput);
}

/** An error for something that cannot be done because of how things are now. */
export function conflict(code: string, message: string): ShadownetError {
  return new ShadownetError(code, message, ExitCode.NotPossibleHere);
}

/** The HTTP status of an error that the user can act on; 500 for every other. */
export function httpStatus(error: unknown): number {
  if (!(error instanceof ShadownetError)) return 500;
  if (error.code.startsWith("no-such-")) return 404;
  if (error.exitCode === ExitCode.BadInput) return 400;
  return error.exitCode === ExitCode.NotPossibleHere ? 409 : 500;
}
