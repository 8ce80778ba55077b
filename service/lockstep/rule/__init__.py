"""JUDGE: what is worth telling. The language of rule files, its conditions and the verdicts they give."""
