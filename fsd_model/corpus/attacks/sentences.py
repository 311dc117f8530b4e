"""What the speech synthesiser says, in the languages that it speaks."""

from __future__ import annotations

SENTENCES: dict[str, tuple[str, ...]] = {
    "en": (
        "The ferry leaves at seven from the other side of the harbour.",
        "She closed the book and looked out of the window.",
        "Nobody remembers who painted the blue door.",
        "Could you bring two more chairs from the kitchen?",
        "It rained all night, and the river rose.",
        "My brother repairs old radios in the evening.",
        "Your order will be ready on Thursday.",
        "We should ask her before we sell the piano.",
    ),
    "de": (
        "Die Fähre fährt um sieben Uhr vom anderen Ufer ab.",
        "Sie schloss das Buch und sah aus dem Fenster.",
        "Niemand weiß mehr, wer die blaue Tür gestrichen hat.",
        "Bringst du bitte noch zwei Stühle aus der Küche?",
        "Es regnete die ganze Nacht, und der Fluss stieg.",
        "Mein Bruder repariert abends alte Radios.",
        "Ihre Bestellung ist am Donnerstag fertig.",
        "Wir sollten sie fragen, bevor wir das Klavier verkaufen.",
    ),
    "fr": (
        "Le bateau part à sept heures de l'autre côté du port.",
        "Elle ferma le livre et regarda par la fenêtre.",
        "Personne ne sait plus qui a peint la porte bleue.",
        "Peux-tu apporter deux chaises de la cuisine ?",
        "Il a plu toute la nuit, et la rivière a monté.",
        "Mon frère répare de vieilles radios le soir.",
        "Votre commande sera prête jeudi.",
        "Il faut lui demander avant de vendre le piano.",
    ),
    "es": (
        "El barco sale a las siete del otro lado del puerto.",
        "Ella cerró el libro y miró por la ventana.",
        "Nadie recuerda quién pintó la puerta azul.",
        "¿Puedes traer dos sillas más de la cocina?",
        "Llovió toda la noche y el río creció.",
        "Mi hermano repara radios viejas por la tarde.",
        "Su pedido estará listo el jueves.",
        "Debemos preguntarle antes de vender el piano.",
    ),
    "it": (
        "Il traghetto parte alle sette dall'altra parte del porto.",
        "Lei chiuse il libro e guardò fuori dalla finestra.",
        "Nessuno ricorda chi ha dipinto la porta blu.",
        "Puoi portare altre due sedie dalla cucina?",
        "Ha piovuto tutta la notte e il fiume è salito.",
        "Mio fratello ripara vecchie radio la sera.",
        "Il suo ordine sarà pronto giovedì.",
        "Dobbiamo chiederle prima di vendere il pianoforte.",
    ),
}
