import { forbidTypes, type Rule } from "../rule";

export const rule: Rule = {
  ...forbidTypes(
    "No stack moves the safety lever, which stops the experiments of a whole account and region.",
    "it belongs to everybody in the account",
    "use `shadownet halt`, or move the lever by hand",
    ["aws:fis/safetyLeverState:SafetyLeverState"],
  ),
  side: "any",
};
