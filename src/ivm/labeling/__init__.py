"""The data engine: pictures and instructions go in, records with masks and a weight for each come out.

task.py          what is to be labelled, and where it comes from
plan.py          what an instruction needs; rules.py finds it by grammar, asking.py with an LMM
expert.py        mask models, asked for a plan's phrases
calibration.py   how far each expert is to be believed; fitting.py and learning.py learn it from labelled pictures
fusion.py        many opinions become one mask with an expected quality
verify.py        whether the masked picture still serves the instruction
invent.py        the other way round: instructions for pictures whose masks are known
draft.py         one task on its way; stages.py moves it from stage to stage
writer.py        drafts become records with provenance, in shards
run.py           a whole run, resumed by shard; on_ray.py spreads it over workers and machines
recipe.py        a run as a YAML file; opening.py finds its source, building.py makes its stages, desk.py its LMM
report.py        what a run gave
review/          a page on which people keep, reject and redraw what is doubtful
film.py          videos: labelled key frames, and what flow.py carries to the frames between
"""
