import type { Rule } from "../rule";
import { objects } from "../values";

const cure = 'set metadataOptions to httpTokens "required" and httpPutResponseHopLimit 1';

export const rule: Rule = {
  description: "Instances answer metadata requests with a session token only, and only to themselves.",
  types: ["aws:ec2/instance:Instance", "aws:ec2/launchTemplate:LaunchTemplate"],
  checks: [
    ({ metadataOptions, launchTemplate }, { type }) => {
      if (type === "aws:ec2/instance:Instance" && launchTemplate !== undefined && metadataOptions === undefined)
        return [];
      const [{ httpTokens, httpPutResponseHopLimit, httpEndpoint } = {}] = objects(metadataOptions);
      if (httpEndpoint === "disabled") return [];
      return [
        ...(httpTokens === "required"
          ? []
          : [
              {
                property: "metadataOptions.httpTokens",
                value: httpTokens,
                reason: "requests without a token work",
                cure,
              },
            ]),
        ...(httpPutResponseHopLimit === 1
          ? []
          : [
              {
                property: "metadataOptions.httpPutResponseHopLimit",
                value: httpPutResponseHopLimit,
                reason: "a container or a proxied request could read the instance's credentials",
                cure,
              },
            ]),
      ];
    },
  ],
};
