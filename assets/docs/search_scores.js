// Ranks the pages of a search: a how-to page answers a question, a generated list only mentions its words. The numbers but those of
// `score` are Sphinx's own.
var Scorer = {
  score: ([page, , , , score]) => {
    if (/^(changelog|research)$/.test(page)) return score - 20;
    if (/generated|notebooks/.test(page)) return score - 10;
    return page.startsWith("how-to/") ? score + 5 : score;
  },
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
