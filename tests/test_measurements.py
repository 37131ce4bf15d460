"""Numbers with a meaning, as a GP would read them off a transcript; and numbers that mean nothing of the kind."""

import pytest

from medalign.concepts import ConceptBank, find_mentions, find_mentions_in_text, transcript_from_text
from medalign.concepts.measurements import find_measurements
from medalign.core.transcript import Segment, Transcript, Word

CASES = [
    ("My temperature was thirty eight point five.", "temperature", "38.5", "°C", "thirty eight point five"),
    ("It was 101.3 degrees Fahrenheit.", "temperature", "101.3", "°F", "101.3 degrees Fahrenheit"),
    ("We measured 38.5 degrees this morning.", "temperature", "38.5", "°C", "38.5 degrees"),
    ("He had 39°C yesterday.", "temperature", "39", "°C", "39°C"),
    ("One hundred and forty over ninety.", "blood pressure", "140/90", "mmHg", "One hundred and forty over ninety"),
    ("BP 140/90, okay?", "blood pressure", "140/90", "mmHg", "140/90"),
    ("Your pulse is 88.", "pulse", "88", "/min", "88"),
    ("Her heart rate was about ninety six.", "pulse", "96", "/min", "ninety six"),
    ("His sats are ninety four percent.", "oxygen saturation", "94", "%", "ninety four percent"),
    ("I lost two kilos.", "weight", "2", "kg", "two kilos"),
    ("Five hundred milligrams of amoxicillin.", "dose", "500", "mg", "Five hundred milligrams"),
    ("It's lies in April 10 milligrams.", "dose", "10", "mg", "10 milligrams"),
    ("Take 500mg.", "dose", "500", "mg", "500mg"),
    ("She takes 2,000 mg.", "dose", "2000", "mg", "2,000 mg"),
    ("Ten units of insulin.", "dose", "10", "units", "Ten units"),
    ("I drink about 20 units a week.", "alcohol", "20", "units a week", "20 units a week"),
    ("I smoke ten cigarettes a day.", "tobacco", "10", "cigarettes a day", "ten cigarettes a day"),
    ("Twice a day, with food.", "frequency", "2", "a day", "Twice a day"),
    ("Three times a week.", "frequency", "3", "a week", "Three times a week"),
    ("Use it every six hours.", "frequency", "every 6", "hours", "six hours"),
    ("It has been two to three days.", "duration", "2-3", "days", "two to three days"),
    ("I've had this for a couple of weeks.", "duration", "2", "weeks", "a couple of weeks"),
    ("It started three days ago.", "duration", "3", "days ago", "three days ago"),
    ("It started about a week ago.", "duration", "1", "week ago", "a week ago"),
    ("For half an hour.", "duration", "0.5", "hours", "half an hour"),
]
NOTHING = [
    "I'm forty years old.",
    "She is a woman of thirty years of age.",
    "We won three over five.",
    "I moved here in 1995 with two sisters.",
    "My house number is 38.",
    "Once I had a dog.",
    "Give me one second.",
    "A day like this is rare.",
    "",
]


def measured(text: str):
    transcript, bank = transcript_from_text(text), ConceptBank.default()
    return find_measurements(transcript, find_mentions(transcript, bank), bank)


@pytest.mark.parametrize(("text", "kind", "value", "unit", "said"), CASES, ids=[case[0] for case in CASES])
def test_a_number_is_read_with_its_kind_unit_and_words(text, kind, value, unit, said):
    (found,) = measured(text)
    assert (found.kind, found.value, found.unit, found.text) == (kind, value, unit, said)


@pytest.mark.parametrize("text", NOTHING)
def test_other_numbers_are_left_alone(text):
    assert measured(text) == ()


def test_an_hour_of_the_day_is_no_number_of_times():
    assert measured("I wake at four every morning and I can't get back to sleep.") == ()


def test_dose_and_frequency_belong_to_the_medicine_and_a_duration_to_the_nearest_concept():
    found = measured("I've had a cough for three weeks. I take five hundred milligrams of paracetamol twice a day.")
    assert [(m.kind, m.concept_id) for m in found] == [
        ("duration", "HP:0012735"),
        ("dose", "DRUG:paracetamol"),
        ("frequency", "DRUG:paracetamol"),
    ]


def test_a_number_far_from_any_medicine_belongs_to_none():
    words = [Word(0.0, 0.5, "Paracetamol.", 1.0), Word(60.0, 60.5, "Two", 1.0), Word(60.5, 61.0, "tablets.", 1.0)]
    transcript = Transcript((Segment(0.0, 61.0, "Paracetamol. Two tablets.", tuple(words)),))
    bank = ConceptBank.default()
    (found,) = find_measurements(transcript, find_mentions(transcript, bank), bank)
    assert found.concept_id is None and (found.start_s, found.end_s) == (60.0, 61.0)


def test_a_sentence_cut_into_segments_is_read_as_one():
    first = Segment(0.0, 1.0, "it was thirty", (Word(0.0, 0.5, "temperature", 1.0), Word(0.5, 1.0, "thirty", 1.0)))
    rest = tuple(Word(1 + i / 4, 1.2 + i / 4, word, 1.0) for i, word in enumerate(["nine", "point", "two."]))
    second = Segment(1.0, 2.0, "nine point two.", rest)
    bank = ConceptBank.default()
    (found,) = find_measurements(Transcript((first, second)), (), bank)
    assert (found.value, found.start_s) == ("39.2", 0.5)


SPOKEN = [  # text, and what is measured in it: "kind value unit", "->" and the label it belongs to
    ("Clonazepam, point five milligrams.", "dose 0.5 mg -> clonazepam"),
    ("Give her point two five milligrams.", "dose 0.25 mg"),
    ("Nought point one two five milligrams of digoxin.", "dose 0.125 mg -> digoxin"),
    ("Digoxin, 62.5 micrograms od.", "dose 62.5 mcg -> digoxin; frequency 1 a day -> digoxin"),
    ("I take half a tablet of bisoprolol.", "dose 0.5 tablets -> bisoprolol"),
    ("Two and a half milligrams of ramipril.", "dose 2.5 mg -> ramipril"),
    ("One fifty over ninety today.", "blood pressure 150/90 mmHg"),
    ("It's one thirty-six over eighty-four.", "blood pressure 136/84 mmHg"),
    ("Fifty milligrams when one starts, and propranolol forty.", "dose 50 mg; dose 40 mg -> propranolol"),
    ("One or two 5 mg tablets of oxycodone.", "dose 1-2 tablets -> oxycodone; dose 5 mg -> oxycodone"),
    ("Potassium four point two, sodium one three one.", "potassium 4.2 mmol/l; sodium 131 mmol/l"),
    ("Temp's thirty seven two, pulse one oh four.", "temperature 37.2 °C; pulse 104 /min"),
    ("Levothyroxine 50 µg daily.", "dose 50 mcg -> levothyroxine; frequency 1 a day -> levothyroxine"),
    ("Morphine, 10mg/5ml.", "dose 10/5 mg/ml -> morphine"),
    ("It's 125 mg in 5 ml, so give five mls tds.", "dose 125/5 mg/ml; dose 5 ml; frequency 3 a day"),
    ("Gentamicin at 7 mg per kilo.", "dose 7 mg/kg -> gentamicin"),
    ("Trimethoprim 200 mg b.d. for 3 days.",
     "dose 200 mg -> trimethoprim; frequency 2 a day -> trimethoprim; duration 3 days -> trimethoprim"),
    ("Naproxen stays at 250 bd and codeine 30 qds.",
     "dose 250 mg -> naproxen; frequency 2 a day -> naproxen; dose 30 mg -> codeine; frequency 4 a day -> codeine"),
    ("Your HbA1c is 58.", "HbA1c 58 mmol/mol"),
    ("The A1c is seven point two percent.", "HbA1c 7.2 %"),
    ("Haemoglobin 98, creatinine was 140 on Monday, and the CRP came back at 112.",
     "haemoglobin 98 g/l; creatinine 140 µmol/l; CRP 112 mg/l"),
    ("The peak flow was 350.", "peak flow 350 l/min"),
    ("He was GCS fourteen out of fifteen.", "GCS 14 "),
    ("Your PHQ nine today is 17.", "PHQ-9 17 "),
    ("The T-score was minus 2.6.", "T-score -2.6 "),
    ("Sats were 94 on air, resp rate 22.", "oxygen saturation 94 %; respiratory rate 22 /min"),
    ("A temperature of 38.9 and a pulse of 105.", "temperature 38.9 °C; pulse 105 /min"),
    ("Ibuprofen every four to six hours.", "frequency every 4-6 hours -> ibuprofen"),
    ("4-hourly paracetamol.", "frequency every 4 hours -> paracetamol"),
    ("Go up on the ramipril from 2.5 to 5 mg.", "dose 2.5→5 mg -> ramipril"),
    ("Drop the warfarin from 5 mg to 4.5 mg.", "dose 5→4.5 mg -> warfarin"),
    ("It has come down from 160/95 to 138/84.", "blood pressure 160/95→138/84 mmHg"),
    ("I'm six foot one and eleven stone four.", "height 6 1 ft; weight 11 4 stone"),
    ("Have two glasses of water and a glass of wine.", "alcohol 1 glasses"),
    ("I drink two litres of water and a pint of milk a day.", ""),
    ("I get through half a pack a day.", "tobacco 0.5 packs a day"),
    ("A bottle and a half of wine on a Friday.", "alcohol 1.5 bottles a week"),
    ("I've had diarrhoea for a week and a half.", "duration 1.5 weeks -> diarrhea"),
    ("For three quarters of an hour.", "duration 0.75 hours"),
    ("He needs someone 24/7, it's like 20 questions.", ""),
    ("My number is 07700 900 381, room 6.", ""),
    ("You've got type 2 diabetes, since the 14th of March 2023.", ""),
    ("At this point five of us had it.", ""),
]  # fmt: skip
TIES = [
    ("I've had the headaches for about six weeks, and a fever for two days.",
     "duration 6 weeks -> headache; duration 2 days -> fever"),
    ("Three or four days I've had the sore throat.", "duration 3-4 days -> sore throat"),
    ("Doctor: How long have you had the cough?\nPatient: About three weeks.", "duration 3 weeks -> cough"),
    ("Patient: The tablet for my high blood pressure is once a day.", "frequency 1 a day"),
    ("Patient: I get a headache three times a week and I vomit twice a day.",
     "frequency 3 a week -> headache; frequency 2 a day -> vomiting"),
    ("Doctor: What dose of sertraline?\nPatient: 50 mg.", "dose 50 mg -> sertraline"),
    ("Doctor: Colchicine 0.5 mg for the gout.\nPatient: How long?\nDoctor: Six days.",
     "dose 0.5 mg -> colchicine; duration 6 days -> colchicine"),
    ("Patient: I'm on sertraline, I think it's 50.\nDoctor: We'll double that to a hundred.",
     "dose 50 mg -> sertraline; dose 50→100 mg -> sertraline"),
    ("If it hurts, prescribe amoxicillin 500 mg for ten days.", "dose 500 mg -> amoxicillin; duration 10 days -> amoxicillin"),
    ("If it happens six to eight times a day, ring us.", "frequency 6-8 a day"),
    ("I smoke ten cigarettes, uh, a day.", "tobacco 10 cigarettes a day"),
    ("Naproxen five hundred five hundred milligrams.", "dose 500 mg -> naproxen"),
    ("I walk a mile and a half a day.", ""),
    ("I've been married for thirty years and sat there for 45 minutes.", ""),
    ("There are 28 tablets in a box, seven days a week.", ""),
    ("She scored 22 out of 30 on the MMSE.", "MMSE 22 "),
    ("It was 39.4 on the thermometer.", "temperature 39.4 °C"),
    ("Troponin of 14, repeat 16.", "troponin 14 ng/l; troponin 16 ng/l"),
    ("Two 500 mg paracetamol tablets.", "dose 2 tablets -> paracetamol; dose 500 mg -> paracetamol"),
    ("Furosemide 40 in the morning and 20 at lunchtime.", "dose 40 mg -> furosemide; dose 20 mg -> furosemide"),
    ("Ibuprofen four hundred three times a day.", "dose 400 mg -> ibuprofen; frequency 3 a day -> ibuprofen"),
    ("About three weeks now, the cough.", "duration 3 weeks -> cough"),
    ("The baby weighed seven pounds four.", "weight 7 4 lb"),
    ("Doctor: How many units do you drink?\nPatient: Thirty or so a week.", "alcohol 30 units a week"),
    ("Doctor: How many a day do you smoke?\nPatient: Ten.", "tobacco 10 cigarettes a day"),
    ("He's had 10 ml of Calpol at six.", "dose 10 ml -> paracetamol"),
    ("Your ALT was 60, now it's 45.", "ALT 60 U/l; ALT 45 U/l"),
    ("I'm one metre seventy.", "height 1.7 m"),
    ("Hot, thirty nine five by the ear thermometer.", "temperature 39.5 °C"),
    ("Doctor: Do you smoke?\nPatient: Since I was 15.", ""),
    ("Doctor: Do you smoke?\nPatient: About twenty a day.", "tobacco 20 cigarettes a day"),
    ("Doctor: And your temperature?\nPatient: Thirty eight five.", "temperature 38.5 °C"),
    ("The chest pain clinic will see you within two weeks.", "plan 2 weeks"),
    ("If it's no better in three days, start the amoxicillin.", "plan 3 days"),
    ("Your face is weak, so I'll see you in four weeks.", "plan 4 weeks"),
    ("The bleeding has stopped. We'll repeat the bloods in 3 months.", "plan 3 months"),
    ("I lost weight. I went out three days ago.", "duration 3 days ago"),
    ("Patient: My chest pain is bad.\nDoctor: I was away for two weeks.", "duration 2 weeks"),
    ("Stop the ibuprofen. 5 mg of lanzoprol.", "dose 5 mg"),
    ("Ramipril 5 mg, amlodipine 10 mg.", "dose 5 mg -> ramipril; dose 10 mg -> amlodipine"),
    ("40 mg omeprazole and then 75 of aspirin.", "dose 40 mg -> omeprazole; dose 75 mg -> aspirin"),
]  # fmt: skip


GOING_ON = [  # what leans on what was said before, or on the question
    ("Your potassium was a touch high at five point six.", "potassium 5.6 mmol/l"),
    ("HbA1c is fifty three, it used to be forty eight.", "HbA1c 53 mmol/mol; HbA1c 48 mmol/mol"),
    ("Your troponin was 6, and the repeat at three hours was 7.", "troponin 6 ng/l; troponin 7 ng/l"),
    ("Twelve units of insulin in the morning and 16 at night.", "dose 12 units -> insulin; dose 16 units -> insulin"),
    ("That's 15, sorry, 50 milligrams of sertraline.", "dose 50 mg -> sertraline"),
    ("I've had it two weeks, no, three weeks.", "duration 3 weeks"),
    ("I take it once a day, twenty milligrams.", "frequency 1 a day; dose 20 mg"),
    ("Down to five roll-ups a day from fifteen.", "tobacco 15→5 cigarettes a day"),
    ("It's gone from a four to an eight out of ten.", "pain score 4-8 /10"),
    ("Doctor: How bad is it, nought to ten?\nPatient: A seven.\nDoctor: And at worst?\nPatient: Nine.",
     "pain score 7 /10; pain score 9 /10"),
    ("Doctor: Do you smoke?\nPatient: Yes.\nDoctor: How many a day?\nPatient: Fifteen.", "tobacco 15 cigarettes a day"),
    ("Doctor: And the amlodipine?\nPatient: Five.", "dose 5 mg -> amlodipine"),
    ("Doctor: How many times a day does it happen?\nPatient: Six or seven.", "frequency 6-7 a day"),
]  # fmt: skip
FORMS = [
    ("I've been taking two paracetamol and half of the sertraline.",
     "dose 2 tablets -> paracetamol; dose 0.5 tablets -> sertraline"),
    ("The haemoglobin was seven point nine grams.", "haemoglobin 7.9 g/dl"),
    ("Ten milligrams per kilo per day of flucloxacillin.", "dose 10 mg/kg/day -> flucloxacillin"),
    ("The 250 in 5 mil suspension of amoxicillin.", "dose 250/5 mg/ml -> amoxicillin"),
    ("You're thirty four plus two today.", "duration 34+2 weeks"),
    ("I'm up to the loo a couple of times a night.", "frequency 2 a night"),
    ("I was sick five times yesterday.", "frequency 5 a day -> vomiting"),
    ("Every other day I get a headache.", "frequency every 2 days -> headache"),
    ("She was ninety six percent on air.", "oxygen saturation 96 %"),
    ("He's breathing at 44 a minute.", "respiratory rate 44 /min"),
    ("He's a metre seventy eight.", "height 1.78 m"),
    ("Six cans of Stella a night.", "alcohol 6 cans a night"),
    ("The bottom one's ninety four.", ""),
    ("Creatinine has risen from 90 to 160 over three days.", "creatinine 90→160 µmol/l; duration 3 days -> creatinine"),
    ("I've lost two stone in six months.", "weight 2 stone -> weight loss; duration 6 months -> weight loss"),
]  # fmt: skip
HOW_OFTEN = [  # how often something comes or is taken, also as an answer
    ("Doctor: How often each day do you take omeprazole?\nPatient: Probably four times.", "frequency 4 a day -> omeprazole"),
    ("Doctor: How many of the codeine are you taking?\nPatient: Two, four times a day.",
     "dose 2 tablets -> codeine; frequency 4 a day -> codeine"),
    ("Doctor: How many units would you say you drink in a week?\nPatient: Twenty, twenty five.", "alcohol 20-25 units a week"),
    ("He's had three seizures in the last month.", "frequency 3 a month -> seizure"),
    ("Indapamide 1.5 once in the morning.", "dose 1.5 mg -> indapamide; frequency 1 a day -> indapamide"),
    ("Naproxen once in the morning and once at night.", "frequency 2 a day -> naproxen"),
    ("Doxycycline 200 milligrams, then a hundred daily.",
     "dose 200 mg -> doxycycline; dose 100 mg -> doxycycline; frequency 1 a day -> doxycycline"),
    ("Two beers a night, three on the weekend.", "alcohol 2 beers a night; alcohol 3 beers a week"),
    ("I roll my own, about 30 grams a week.", "tobacco 30 g a week"),
    ("Half an ounce of tobacco lasts me the week.", "tobacco 0.5 oz a week"),
]  # fmt: skip
ANSWERS = [
    ("Doctor: How long ago was the stroke?\nPatient: Three months, I think.", "duration 3 months ago -> stroke"),
    ("Doctor: Any weight loss?\nPatient: About a stone in two months.", "weight 1 stone; duration 2 months -> weight loss"),
    ("Doctor: How bad is it out of ten, after the morphine?\nPatient: Three or four.", "pain score 3-4 /10"),
    ("Warfarin is three milligrams on weekdays and four at weekends.", "dose 3 mg -> warfarin; dose 4 mg -> warfarin"),
    ("He's breathing about twenty eight times a minute.", "respiratory rate 28 /min"),
    ("I noticed it about three weeks ago, maybe four.", "duration 3-4 weeks ago"),
    ("Forty milligrams of furosemide, two in the morning.", "dose 40 mg -> furosemide; dose 2 tablets -> furosemide"),
    ("The hot flushes, about a dozen a day.", "frequency 12 a day -> hot flushes"),
]  # fmt: skip
RANGES_AND_LIMITS = [
    ("My sugars run anywhere from 180 to 250.", "glucose 180-250 mg/dl"),
    ("The haemoglobin is 102, down from 124.", "haemoglobin 124→102 g/l"),
    ("The troponin was less than three.", "troponin <3 ng/l"),
    ("Your eGFR is above ninety.", "eGFR >90 ml/min"),
    ("Keep the HbA1c below 53.", "HbA1c 53 mmol/mol"),  # an aim, see the senses
    ("You're 212 pounds and five eleven.", "weight 212 lb; height 5 11 ft"),
    ("It's been twenty years since I had asthma.", "duration 20 years ago -> asthma"),
    ("Doctor: When was your last migraine?\nPatient: Must be two years.", "duration 2 years ago -> migraine"),
    ("I'm taking amlodipine five bisoprolol two point five and apixaban five twice a day",
     "dose 5 mg -> amlodipine; dose 2.5 mg -> bisoprolol; dose 5 mg -> apixaban; frequency 2 a day -> apixaban"),
    ("Sats 88 percent on air, 94 on oxygen.", "oxygen saturation 88 %; oxygen saturation 94 %"),
]  # fmt: skip
OF_NOBODY = [
    "We'll start a tablet.",
    "I do about ten thousand steps a day.",
    "We live at 42 Mill Lane.",
    "The statin lowers your risk by about 30 percent.",
    "It works in eight out of ten people.",
    "The dog weighs thirty kilos.",
    "It was thirty degrees in the shade.",
    "He's four months.",
    "I work twelve hour shifts, four days a week.",
    "My water bottle holds 500 ml.",
    "The maximum is four grams.",
    "I go to the gym three times a week.",
]


def told(text: str) -> str:
    bank = ConceptBank.default()
    return "; ".join(
        f"{m.kind} {m.value} {m.unit}" + (f" -> {bank[m.concept_id].label}" if m.concept_id else "") for m in measured(text)
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [*SPOKEN, *TIES, *GOING_ON, *FORMS, *HOW_OFTEN, *ANSWERS, *RANGES_AND_LIMITS],
    ids=lambda value: value[:40],
)
def test_numbers_as_people_say_them_with_what_they_belong_to(text, expected):
    assert told(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It says temperature 389.", "temperature 389 °C"),
        ("A pulse of 4000.", "pulse 4000 /min"),
        ("A saturation of 194 percent.", "oxygen saturation 194 %"),
        ("Blood pressure 400 over 20.", "blood pressure 400/20 mmHg"),
        ("Haemoglobin of 1200.", "haemoglobin 1200 g/l"),
        ("He weighs 4000 kilos.", "weight 4000 kg"),
    ],
)
def test_what_no_person_has_is_kept_to_be_checked(text, expected):
    assert told(text) == expected
    assert [m.is_plausible for m in measured(text)] == [False]


def test_a_normal_temperature_is_no_fever():
    def has_fever(text):
        return any(mention.concept_id == "HP:0001945" for mention in find_mentions_in_text(text, ConceptBank.default()))

    assert not any(map(has_fever, ["A temperature of 36.8 today.", "Temperature is thirty six point eight.", "Temp of 98.6."]))
    assert all(
        map(has_fever, ["A temperature of 38.9 today.", "Temperature of 36.8 to 39.", "He had a temperature.", "A fever."])
    )


@pytest.mark.parametrize("text", OF_NOBODY)
def test_numbers_of_daily_life_and_of_people_at_large_are_no_measurements(text):
    assert told(text) == ""


@pytest.mark.parametrize(
    "text",
    [
        "The operation takes about an hour.",
        "Fast for twelve hours before the test.",
        "Take the pill, then sit up for half an hour.",
    ],
)
def test_what_is_to_come_has_not_lasted(text):
    assert [m.kind for m in measured(text)] == ["plan"]
