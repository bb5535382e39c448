/**
 * JSON Schema of Command documents of schema version 2.2, written from the documentation of Systems Manager: elements,
 * parameter types and `allowedPattern`, preconditions on the platform, and the inputs of `aws:runShellScript`.
 */
export const commandDocumentSchema = {
  type: "object",
  required: ["schemaVersion", "mainSteps"],
  additionalProperties: false,
  properties: {
    schemaVersion: { const: "2.2" },
    description: { type: "string", maxLength: 4096 },
    parameters: {
      type: "object",
      maxProperties: 200,
      propertyNames: { pattern: "^[A-Za-z][A-Za-z0-9_]{0,99}$" },
      additionalProperties: {
        type: "object",
        required: ["type"],
        additionalProperties: false,
        properties: {
          type: { enum: ["String", "StringList", "Integer", "Boolean", "MapList", "StringMap"] },
          description: { type: "string" },
          default: {},
          allowedValues: { type: "array", minItems: 1 },
          allowedPattern: { type: "string", format: "regex" },
          displayType: { enum: ["textfield", "textarea"] },
          minChars: { type: "integer" },
          maxChars: { type: "integer" },
        },
      },
    },
    mainSteps: {
      type: "array",
      minItems: 1,
      items: {
        type: "object",
        required: ["action", "name", "inputs"],
        additionalProperties: false,
        properties: {
          action: { const: "aws:runShellScript" },
          name: { type: "string", pattern: "^[A-Za-z0-9_]{1,128}$" },
          precondition: {
            type: "object",
            required: ["StringEquals"],
            additionalProperties: false,
            properties: {
              StringEquals: {
                type: "array",
                minItems: 2,
                maxItems: 2,
                items: { type: "string" },
                contains: { const: "platformType" },
              },
            },
          },
          inputs: {
            type: "object",
            required: ["runCommand"],
            additionalProperties: false,
            properties: {
              runCommand: { type: "array", minItems: 1, items: { type: "string" } },
              timeoutSeconds: {
                type: "string",
                pattern: "^([1-9][0-9]{0,4}|1[0-6][0-9]{4}|17[01][0-9]{3}|172[0-7][0-9]{2}|172800)$",
              },
              workingDirectory: { type: "string" },
            },
          },
        },
      },
    },
  },
} as const;
