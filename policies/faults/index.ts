import { PolicyPack } from "@pulumi/policy";

import { loadRules, policiesOf } from "../pack";

new PolicyPack("shadownet-faults", { policies: policiesOf(loadRules(__dirname)) });
