"""`fsd-tuner corpus make`: the demo corpus.

logical_access.py    make_corpus (LA)
plan.py  voices.py  render.py  post_processing.py  codec.py  folder.py  workers.py  signals.py
attacks/             attack, registry, and a file per method
replay/              physical_access (PA), plan, scene, room, loudspeaker, render
recordings/          source recordings and licences (data)
"""
