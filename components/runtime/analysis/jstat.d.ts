/** The part of jstat that the analysis uses; the package carries no types. */
declare module "jstat" {
  export const jStat: {
    ibeta(x: number, a: number, b: number): number;
    gammaln(x: number): number;
    studentt: { inv(p: number, df: number): number };
    normal: { inv(p: number, mean: number, sd: number): number; cdf(x: number, mean: number, sd: number): number };
  };
}
