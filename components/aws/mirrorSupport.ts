/**
 * Families of instance types whose interfaces can be sources of Traffic Mirroring, as AWS listed them on 28 August 2025.
 * AWS has no call that tells; what is newer than the list can be allowed by the mirror's `mirrorableTypes`.
 */
const mirrorableFamilies = [
  "a1 m4 m5 m5a m5ad m5d m5dn m5n m5zn m6a m6g m6gd m6i m6id m6idn m6in m7a m7g m7gd m7i m7i-flex mac* t3 t3a t4g",
  "c4 c5 c5a c5ad c5d c5n c6a c6g c6gd c6gn c6i c6id c6in c7a c7g c7gd c7i c7i-flex",
  "r4 r5 r5a r5ad r5b r5d r5dn r5n r6a r6g r6gd r6i r6id r6idn r6in r7a r7g r7gd r7i r7iz u-* u7* x1 x1e x2* z1d",
  "d2 d3 d3en h1 i3 i3en i4g i4i i7i im4gn is4gen",
  "dl1 f2 g3 g3s g4ad g4dn g5 g5g g6 g6e gr6 inf1 inf2 p3 p3dn p4d p4de p5 p5e p5en trn1 trn1n vt1 hpc6a hpc6id hpc7a",
]
  .join(" ")
  .split(" ");

/**
 * Why the interfaces of an instance type cannot be mirrored; undefined when they can. `allowed` are types or families
 * that the user knows to work although the list does not have them.
 */
export function mirrorObstacle(instanceType: string, allowed: readonly string[] = []): string | undefined {
  const [family = "", size = ""] = instanceType.toLowerCase().split(".");
  if (allowed.some((name) => name === instanceType || name === family)) return undefined;
  if (size.startsWith("metal") && !family.startsWith("mac")) {
    return `${instanceType} is bare metal, which is no source of Traffic Mirroring`;
  }
  const listed = mirrorableFamilies.some((name) =>
    name.endsWith("*") ? family.startsWith(name.slice(0, -1)) : family === name,
  );
  return listed ? undefined : `the family ${family} is not among those that Traffic Mirroring has as sources`;
}
