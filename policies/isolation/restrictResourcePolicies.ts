import { conditionKeys, statementsOf } from "../iamDocument";
import type { Finding, Rule } from "../rule";

const cure = "name principals of the shadow's own account, or an AWS service bound by aws:SourceAccount";
const bindings = [
  "aws:sourceaccount",
  "aws:sourcearn",
  "aws:principalaccount",
  "aws:principalarn",
  "kms:calleraccount",
];

export const rule: Rule = {
  description: "Keys, secrets, buckets, queues and topics of a shadow are open to its own account only.",
  types: [
    "aws:kms/key:Key",
    "aws:kms/keyPolicy:KeyPolicy",
    "aws:secretsmanager/secret:Secret",
    "aws:secretsmanager/secretPolicy:SecretPolicy",
    "aws:s3/bucketPolicy:BucketPolicy",
    "aws:s3/accessPoint:AccessPoint",
    "aws:sns/topicPolicy:TopicPolicy",
    "aws:sqs/queuePolicy:QueuePolicy",
  ],
  config: {
    properties: {
      shadowAccounts: {
        type: "array",
        items: { type: "string", pattern: "^[0-9]{12}$" },
        default: [],
        description: "Accounts that shadows stand in. Empty: any account that is named by its number.",
      },
    },
  },
  checks: [
    ({ policy }, { config }): Finding[] => {
      const accounts = config.shadowAccounts as string[];
      return (statementsOf(policy) ?? [])
        .filter(({ effect }) => effect === "Allow")
        .flatMap((statement, s): Finding[] => {
          const property = `policy.Statement[${s}].Principal`;
          const bound = conditionKeys(statement).some((key) => bindings.includes(key));
          const arns = [...(statement.principals.AWS ?? []), ...(statement.principals.Federated ?? [])];
          const foreign = arns.filter((arn) => {
            const account = /^(?:arn:aws[a-z-]*:iam::)?(\d{12})(?::|$)/.exec(arn)?.[1];
            if (account === undefined) return !bound;
            return accounts.length > 0 && !accounts.includes(account);
          });
          if (foreign.length > 0) {
            return [{ property, value: foreign, reason: "principals outside the shadow's account could use it", cure }];
          }
          return [];
        });
    },
  ],
};
