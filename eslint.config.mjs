import eslint from "@eslint/js";
import tseslint from "typescript-eslint";

const backEnds = ["lab", "aws", "azure", "libvirt"];
const restrict = (files, patterns) => ({ files, rules: { "no-restricted-imports": ["error", { patterns }] } });

export default tseslint.config(
  { ignores: ["dist/**", "node_modules/**", "coverage/**", "runs/**", "docs/**", ".shadownet/**"] },
  eslint.configs.recommended,
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],
      "@typescript-eslint/no-non-null-assertion": "off",
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "@typescript-eslint/no-unnecessary-condition": [
        "error",
        { allowConstantLoopConditions: "only-allowed-literals" },
      ],
      "max-lines": ["error", { max: 400, skipComments: true, skipBlankLines: true }],
    },
  },
  {
    files: ["test/**/*.ts"],
    rules: { "@typescript-eslint/no-floating-promises": "error" },
  },
  {
    files: ["**/*.mjs", "**/*.js", "**/*.cjs"],
    languageOptions: {
      globals: Object.fromEntries(
        [
          "process",
          "console",
          "Buffer",
          "setTimeout",
          "clearTimeout",
          "setInterval",
          "clearInterval",
          "fetch",
          "URL",
          "require",
          "module",
          "exports",
          "__dirname",
          "AbortSignal",
          "AbortController",
          "setImmediate",
          "performance",
        ].map((name) => [name, "readonly"]),
      ),
    },
  },
  // The arrows of the house: back ends -> vocabulary and runtime/faults; runtime knows back ends only through Driver.
  restrict(
    ["components/runtime/**/*.ts"],
    [
      { regex: "^@pulumi/", message: "what runs outside Pulumi must not load it" },
      {
        regex: `(^|/)(${backEnds.join("|")})(/|$)`,
        message: "runtime reaches a back end only through Driver, chosen in cli/",
      },
    ],
  ),
  { files: ["components/runtime/cli/**/*.ts"], rules: { "no-restricted-imports": "off" } },
  restrict(
    ["components/*.ts", "components/internal/**/*.ts", "components/validation/**/*.ts"],
    [
      {
        regex: `/(${backEnds.join("|")}|runtime)(/|$)`,
        message: "the vocabulary and the helpers know no back end and no runtime",
      },
    ],
  ),
  { files: ["components/index.ts"], rules: { "no-restricted-imports": "off" } },
  ...backEnds.map((own) =>
    restrict(
      [`components/${own}/**/*.ts`],
      [
        ...backEnds
          .filter((other) => other !== own)
          .map((other) => ({ regex: `/${other}(/|$)`, message: "one back end never imports another" })),
        {
          regex: "^@pulumi/(aws|azure-native)$",
          message: "import a provider by its submodule, for example @pulumi/aws/ec2",
        },
      ],
    ),
  ),
  // A back end's capture and driver run outside Pulumi, beside the runtime.
  ...backEnds.map((own) =>
    restrict(
      ["capture.ts", "capture/**/*.ts", "driver.ts", "driver/**/*.ts"].map((path) => `components/${own}/${path}`),
      [
        { regex: "^@pulumi/", message: "capture and driver run outside Pulumi" },
        ...backEnds
          .filter((other) => other !== own)
          .map((other) => ({ regex: `/${other}(/|$)`, message: "one back end never imports another" })),
      ],
    ),
  ),
);
