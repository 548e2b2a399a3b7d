"""Renders the photos of the demo homes with Blender's Cycles, and builds the demo that ships; imported by nothing else.

`PYTHONPATH=core:assets/demo python -m studio HOMES.jsonl OUT` draws every photo of every home. Only `kit`, `materials`, `light`,
`camera`, `scene` and what lies above them need `bpy`; styles, textures, tone mapping and the resume logic do not.
"""
