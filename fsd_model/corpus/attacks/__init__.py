"""Spoofing methods of track LA.

attack.py                   interface of an attack
registry.py                 the method of each attack id; add a method there
text_to_speech.py           Pico voices; sentences.py has their texts
unit_selection.py           snippets of the speaker, chosen and joined
cepstral_vocoders.py        resynthesis from cepstral envelope and pitch
griffin_lim.py              resynthesis from magnitudes
linear_prediction.py        all-pole vocoder and voice conversion
spectral_mapping.py         voice conversion by filtering
time_stretch_conversion.py  voice conversion in the time domain
pitch.py                    fundamental frequency
"""
