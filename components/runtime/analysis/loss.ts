/**
 * Stationary loss of a Gilbert-Elliott channel, (r·L_good + p·L_bad)/(p + r) (Gilbert 1960, Elliott 1963; parameters as
 * netem's `loss gemodel`): all as shares 0–1. `p` good → bad, `r` bad → good, `lossBad` = 1−h, `lossGood` = 1−k.
 */
export function gilbertElliott(p: number, r: number, lossBad = 1, lossGood = 0): { loss: number; meanBurst: number } {
  return { loss: (r * lossGood + p * lossBad) / (p + r), meanBurst: 1 / r };
}
