import type { Rule } from "../rule";

const cure = "set internal to true";

export const rule: Rule = {
  description: "Load balancers are internal, or are the mirror's Gateway Load Balancer.",
  types: ["aws:lb/loadBalancer:LoadBalancer", "aws:alb/loadBalancer:LoadBalancer", "aws:elb/loadBalancer:LoadBalancer"],
  checks: [
    ({ internal, loadBalancerType }) =>
      internal === true || loadBalancerType === "gateway"
        ? []
        : [{ property: "internal", value: internal, reason: "it would face the internet", cure }],
  ],
};
