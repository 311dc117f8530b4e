"""Front ends: the input of the network, and the store that all trials share.

front_end.py         FeatureConfig; F0 subband, log-power spectrum, LFCC, waveform
low_band_stft.py     the 45 lowest STFT bins without computing the other 820
store.py             features computed once per corpus, memory-mapped by every trial
store_folder.py      a folder of the store, built by one process, whole or not at all
storage_format.py    features as float16 or int16 on disk, and back
feature_set.py       FeatureSet (one split) and Batch
device_cache.py      a split kept in GPU memory
"""
