"""The lists from which the sample data is drawn: skills, occasions, and words for names and texts."""

from dataclasses import dataclass
from hashlib import md5
from uuid import UUID, uuid5

NAMES = UUID("6d757369-6b6f-4e00-8000-5eedda7a0000")


def named_id(name: str) -> UUID:
    """Return the fixed id of an object that the documentation's examples use, computed from its name."""
    return uuid5(NAMES, name)


@dataclass(frozen=True, slots=True)
class SkillEntry:
    """A skill of the catalogue of the service `musicians`.

    `share`: its relative frequency; `price`: the factor by which it multiplies a musician's hourly rate.
    """

    name: str
    category: str
    share: float
    price: float = 1.0

    @property
    def id(self) -> UUID:
        """The skill's id, computed from its name as in the musicians service's migration."""
        return UUID(md5(f"skill:{self.name}".encode(), usedforsecurity=False).hexdigest())


def _entries(category: str, rows: str) -> tuple[SkillEntry, ...]:
    found = []
    for row in rows.strip().splitlines():
        name, share, price = (cell.strip() for cell in row.split("|"))
        found.append(SkillEntry(name, category, float(share), float(price)))
    return tuple(found)


INSTRUMENTS = _entries(
    "instrument",
    """
    Vocals | 20 | 1.05
    Acoustic Guitar | 16 | 0.95
    Electric Guitar | 13 | 1.0
    Piano | 14 | 1.1
    Keyboard | 8 | 1.0
    Drums | 9 | 1.05
    Percussion | 5 | 0.95
    Bass Guitar | 8 | 0.95
    Double Bass | 4 | 1.1
    Violin | 7 | 1.15
    Viola | 2 | 1.1
    Cello | 4 | 1.15
    Saxophone | 6 | 1.1
    Trumpet | 4 | 1.1
    Trombone | 2 | 1.05
    Flute | 3 | 1.0
    Clarinet | 2 | 1.05
    Harp | 1 | 1.45
    Accordion | 2 | 0.95
    Organ | 1 | 1.2
    Ukulele | 2 | 0.8
    Banjo | 1 | 0.9
    Mandolin | 1 | 0.9
    Turntables | 9 | 1.2
    Bagpipes | 0.5 | 1.1
    Handpan | 0.7 | 0.9
    """,
)
GENRES = _entries(
    "genre",
    """
    Jazz | 14 | 1.05
    Classical | 12 | 1.15
    Pop | 20 | 1.0
    Rock | 14 | 1.0
    Soul | 8 | 1.05
    Funk | 6 | 1.05
    Blues | 7 | 0.95
    Folk | 8 | 0.9
    Latin | 7 | 1.05
    Bossa Nova | 4 | 1.0
    Techno | 7 | 1.1
    House | 6 | 1.1
    Hip Hop | 5 | 1.05
    Reggae | 3 | 0.95
    Country | 4 | 0.95
    Gospel | 2 | 1.05
    Tango | 1.5 | 1.1
    Klezmer | 1 | 1.0
    Flamenco | 1.5 | 1.05
    Opera | 2 | 1.05
    """,
)
STYLES = _entries(
    "style",
    """
    Background Music | 14 | 0.95
    Dance Music | 12 | 1.1
    Wedding Ceremony | 12 | 1.1
    Chamber Music | 10 | 1.1
    Cover Songs | 9 | 0.95
    Improvisation | 6 | 1.0
    Duo | 5 | 0.95
    Session Musician | 5 | 1.0
    Music Teaching | 3 | 0.9
    """,
)
SKILLS = INSTRUMENTS + GENRES + STYLES


@dataclass(frozen=True, slots=True)
class Occasion:
    """A kind of event for which musicians are requested, such as a wedding.

    `share`: its relative frequency; `hours`: its possible durations; `starts`: the first and last hour of the
    day at which it may start; `weekend`: the probability that it is on a weekend.
    """

    titles: tuple[str, ...]
    share: float
    hours: tuple[float, ...]
    starts: tuple[int, int]
    genres: tuple[str, ...]
    style: str
    weekend: float


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


OCCASIONS = (
    Occasion(("Wedding party", "Wedding band wanted", "Music for our wedding"),
             24, (3, 4, 5, 6), (16, 20), ("Pop", "Soul", "Jazz", "Funk"), "Dance Music", 0.9),
    Occasion(("Wedding ceremony", "Music for the vows"),
             12, (1, 1.5, 2), (11, 16), ("Classical", "Pop", "Folk"), "Wedding Ceremony", 0.9),
    Occasion(("Birthday party", "A fiftieth birthday", "Surprise party"),
             16, (2, 3, 4), (17, 21), ("Pop", "Rock", "Latin", "Soul"), "Dance Music", 0.75),
    Occasion(("Company dinner", "Summer party of our office", "Product launch"),
             14, (2, 3), (17, 20), ("Jazz", "Bossa Nova", "House"), "Background Music", 0.15),
    Occasion(("Bar night", "Live music at the wine bar", "Residency for one evening"),
             12, (2, 3, 4), (19, 22), ("Jazz", "Blues", "Folk", "Soul"), "Cover Songs", 0.5),
    Occasion(("Club night", "Opening set"),
             6, (3, 4, 5), (21, 23), ("House", "Techno", "Hip Hop"), "Dance Music", 0.85),
    Occasion(("Church concert", "Chamber concert", "Matinee"),
             6, (1.5, 2), (11, 19), ("Classical", "Gospel"), "Chamber Music", 0.7),
    Occasion(("Vernissage", "Gallery opening", "Book launch"),
             6, (1.5, 2, 3), (17, 19), ("Jazz", "Classical", "Techno"), "Background Music", 0.3),
    Occasion(("Children's afternoon", "School fete"),
             4, (1, 1.5, 2), (10, 15), ("Folk", "Pop"), "Music Teaching", 0.6),
)  # fmt: skip

FIRST_NAMES = _words(
    """
    Ana Anna Aylin Ben Bianca Bruno Camille Carla Chiara Clara Daniel David Diego Elena Elif Emil Emma Enzo
    Eva Fatima Felix Finn Francesca Gabriel Greta Hannah Hugo Ida Ines Ivan Jakob Jan Joana John Jonas Julia
    Karim Klara Lars Laura Lea Leo Lina Louis Lucia Luis Luka Maja Marco Maria Marta Mateo Max Mia Mila
    Milan Nadia Nina Noah Nora Olga Oliver Omar Oscar Paul Pedro Rosa Ruben Sam Samira Sara Sofia Stefan
    Theo Tim Tomas Valentina Vera Victor Yara Yusuf Zoe
    """
)
LAST_NAMES = _words(
    """
    Almeida Andersson Bakker Bauer Becker Bernard Bianchi Blanc Braun Brown Byrne Carvalho Castro Conti
    Costa Cruz Dahl Davies Dubois Evans Fernandez Ferrari Fischer Fontaine Garcia Girard Green Hansen
    Hoffmann Hughes Jansen Jensen Keller Kelly Klein Koch Laurent Lindgren Lopez Marino Martin Martinez
    Meyer Moreau Moretti Murphy Navarro Nilsson Nowak Oliveira Olsen Pereira Petrov Ricci Rizzo Romano Rossi
    Ruiz Santos Schmidt Schneider Silva Smith Sousa Svensson Torres Vidal Visser Vries Wagner Walker Weber
    Williams Wilson Wolf Young Zimmermann
    """
)
BAND_WORDS = _words(
    """
    Amber Blue Brass Copper Golden Hidden Little Lunar Midnight Northern Paper Quiet Red River Silver Slow
    Southern Velvet Wild
    """
)
BAND_THINGS = _words(
    """
    Birds Club Collective Duo Hearts Lanterns Lights Parade Quartet Rooms Sessions Strings Tigers Trio Waves
    """
)
PRAISE = {
    5: (
        "Everybody asked for the name afterwards.",
        "Better than we had hoped.",
        "Perfect from the first note.",
        "We would book again at once.",
    ),
    4: ("Very good, and easy to talk to.", "Played longer than agreed.", "A lovely evening.", ""),
    3: ("Fine, but a little loud.", "Good music, late start.", ""),
    2: ("Not what we had agreed on.", "Came unprepared."),
    1: ("Did not play half of the set.", "We would not book again."),
}
