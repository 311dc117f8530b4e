"""A detector behind HTTP on this machine: `fsd-tuner serve`.

In reading order:

server.py       starts and stops the server
app.py          routes: the page, the card, health, `POST /score`
guard.py        checks Host and Origin of each request
gate.py         limits how many requests are processed and wait
limits.py       bounds of a request
upload.py       the body of a request as a file
answer.py       the answer: scores of windows, spectrogram
spectrogram.py  the spectrogram on the page
refusal.py      errors as status and one line
pages/          html, css, js
"""
