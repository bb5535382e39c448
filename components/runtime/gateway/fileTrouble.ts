import { ExitCode, ShadownetError } from "../../internal/problems";

/** Says on standard error that a file cannot be written, once until it can be written again. */
export class FileTrouble {
  private troubled = false;

  constructor(
    private readonly path: string,
    /** What becomes of what should be in it. */
    private readonly consequence: string,
  ) {}

  failed(error: unknown): void {
    if (!this.troubled)
      process.stderr.write(`${this.path} cannot be written, ${this.consequence}: ${reasonOf(error)}\n`);
    this.troubled = true;
  }

  worked(): void {
    if (this.troubled) process.stderr.write(`${this.path} can be written again\n`);
    this.troubled = false;
  }
}

/** The error of a gateway that cannot have one of its files. */
export function cannotWrite(path: string, error: unknown): ShadownetError {
  return new ShadownetError("cannot-write", `${path} cannot be written: ${reasonOf(error)}`, ExitCode.NotPossibleHere);
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
