"""Numbers in kinds of wording that once misled the reader: slips of the tongue, second values, answers that correct, ..."""

import pytest

from medalign.concepts import ConceptBank, find_mentions, transcript_from_text
from medalign.concepts.measurements import find_measurements
from medalign.concepts.senses import number_senses

SAID = [  # text, and what is measured in it: "kind value unit", "->" and the label it belongs to
    ("Patient: She's been running a temperature of a hundred and two since Friday.", "temperature 102 °F"),
    ("Doctor: Temperature's settled, it was 39.6 overnight and it's 37.4 this morning.",
     "temperature 39.6 °C; temperature 37.4 °C"),
    ("Patient: It went as high as 39 point 5 on the digital one.", "temperature 39.5 °C"),
    ("Patient: My Fitbit had me at a hundred and thirty sitting on the sofa.", "pulse 130 /min"),
    ("Patient: My watch says eight thousand steps.", ""),
    ("Doctor: Pulse was 120 when you came in, it's 84 now.", "pulse 120 /min; pulse 84 /min"),
    ("Doctor: Pulse one ten, no, one hundred and one.", "pulse 101 /min"),
    ("Doctor: heart rates eighty eight resps sixteen", "pulse 88 /min; respiratory rate 16 /min"),
    ("Doctor: Right, one thirty eight over seventy nine, that's perfect.", "blood pressure 138/79 mmHg"),
    ("Doctor: Potassium's 3.1, a bit low.", "potassium 3.1 mmol/l"),
    ("Doctor: HbA1c was forty nine in March and it's fifty five now.", "HbA1c 49 mmol/mol; HbA1c 55 mmol/mol"),
    ("Patient: my blood sugar was fifty two milligrams per deciliter and i got shaky", "glucose 52 mg/dl"),
    ("Doctor: PSA is four point two, up from two point nine last year.", "PSA 2.9→4.2 mcg/l"),
    ("Doctor: Lithium's 1.1.", "lithium level 1.1 mmol/l"),
    ("Patient: They said my iron was six.", "iron 6 µmol/l"),
    ("Doctor: the phq nine was twenty one and the gad seven sixteen", "PHQ-9 21 ; GAD-7 16 "),
    ("Doctor: Peak flow before was 300 and after the nebuliser 410.", "peak flow 300 l/min; peak flow 410 l/min"),
    ("Patient: My sugar was 14.2 before breakfast and eight something after the gym.", "glucose 14.2 mmol/l"),
    ("Patient: I'm six two and about a hundred kilos.", "height 6 2 ft; weight 100 kg"),
    ("Doctor: How tall are you?\nPatient: Five ten.", "height 5 10 ft"),
    ("Doctor: So height's one metre sixty two.", "height 1.62 m"),
    ("Patient: I'm five foot six, nine stone two, and I don't drink.", "height 5 6 ft; weight 9 2 stone"),
    ("Patient: I've put on a pound and a half this week.", "weight 1.5 lb -> weight gain"),
    ("Patient: I used to be nine stone and now I'm nearer eleven.", "weight 9 stone; weight 11 stone"),
    ("Patient: I've gone up, I was eleven stone, I've gained weight.", "weight 11 stone"),
    ("Patient: I'm on atorvastatin, 20 I think.", "dose 20 mg -> atorvastatin"),
    ("Doctor: Nitrofurantoin MR a hundred twice a day for three days.",
     "dose 100 mg -> nitrofurantoin; frequency 2 a day -> nitrofurantoin; duration 3 days -> nitrofurantoin"),
    ("Doctor: fourteen no forty milligrams of simvastatin at night", "dose 40 mg -> simvastatin"),
    ("Doctor: Prednisolone, six of the five milligram tablets, once a day for five days.",
     "dose 6 tablets -> prednisolone; dose 5 mg -> prednisolone; frequency 1 a day -> prednisolone; "
     "duration 5 days -> prednisolone"),
    ("Doctor: Ciprofloxacin, seven day course, five hundred bd.",
     "duration 7 days -> ciprofloxacin; dose 500 mg -> ciprofloxacin; frequency 2 a day -> ciprofloxacin"),
    ("Doctor: Amitriptyline, start with ten and go to twenty after a week.",
     "dose 10 mg -> amitriptyline; dose 20 mg -> amitriptyline"),
    ("Patient: I've been having about six codeine a day.", "dose 6 tablets -> codeine; frequency 1 a day -> codeine"),
    ("Doctor: Co-codamol, two up to four times a day.", "dose 2 tablets -> co-codamol; frequency 4 a day -> co-codamol"),
    ("Patient: I'm on lisinopril, 10 milligrams.\nDoctor: Okay, let's go up to 20 with that.",
     "dose 10 mg -> lisinopril; dose 10→20 mg -> lisinopril"),
    ("Patient: I've only got about ten tablets left.", ""),
    ("Doctor: So you take it four times a day?\nPatient: No, three.", "frequency 3 a day"),
    ("Doctor: Five weeks of diarrhoea?\nPatient: No, five days.", "duration 5 days -> diarrhea"),
    ("Doctor: You're 28 weeks now, aren't you?\nPatient: 28 and a half.", "duration 28.5 weeks"),
    ("Patient: The contractions are four minutes apart.", "frequency every 4 minutes -> contractions"),
    ("Patient: It keeps coming back three times a night, the cough.", "frequency 3 a night -> cough"),
    ("Patient: I've had this lump on my neck a month or so.", "duration 1 month -> neck lump"),
    ("Patient: I had Covid six weeks ago and I've been breathless ever since.", "duration 6 weeks ago -> covid"),
    ("Doctor: The troponin was 12 and then 14 three hours later.", "troponin 12 ng/l; troponin 14 ng/l"),
    ("Patient: The rash came up two days after I started the amoxicillin.", ""),
    ("Patient: One minute I'm fine, the next I'm on the floor.", ""),
    ("Amoxicillin for seven days, five hundred three times a day.",
     "duration 7 days -> amoxicillin; dose 500 mg -> amoxicillin; frequency 3 a day -> amoxicillin"),
    ("I take my metformin, the slow release one, a gram at night.", "dose 1 g -> metformin"),
    ("I've had two courses of antibiotics this winter.", ""),
    ("I took about thirty paracetamol.", "dose 30 tablets -> paracetamol"),
    ("I've had three water infections in the past six months.", ""),
    ("On a bad day nine out of ten.", "pain score 9 /10"),
    ("Take it four times a day, every day.", "frequency 4 a day"),
    ("Sodium's one thirty three, potassium's four eight, urea six.", "sodium 133 mmol/l; potassium 4.8 mmol/l; urea 6 mmol/l"),
    ("Temp was thirty-eight two, sat ninety-four percent, and the A1c seven four.",
     "temperature 38.2 °C; oxygen saturation 94 %; HbA1c 7.4 %"),
    ("Your temperature was thirty-eight two days ago.", "temperature 38 °C; duration 2 days ago"),
    ("I've dropped from fifteen stone to thirteen and a half.", "weight 15→13.5 stone"),
    ("Baby was three point four kilos at birth and she's four point one now.", "weight 3.4 kg; weight 4.1 kg"),
    ("I'm taking a couple of paracetamol every few hours.", "dose 2 tablets -> paracetamol"),
    ("Right, let's see, thirty seven point one.", "temperature 37.1 °C"),
    ("Doctor: And do you drink?\nPatient: Ten units or so a week.", "alcohol 10 units a week"),
]  # fmt: skip
SENSES = [
    ("My INR's been all over the place, 4.6 on Friday.", "present"),
    ("Your resting pulse is fifty two, are you a runner?", "present"),
    ("I want to get down to eleven stone by the wedding.", "uncertain"),
    ("A healthy BMI is between twenty and twenty five.", "uncertain"),
    ("We aim to keep you under 130 over 80.", "uncertain"),
]


@pytest.mark.parametrize(("text", "expected"), SAID, ids=lambda value: value[:40])
def test_kinds_of_wording_are_read_whatever_the_words(text, expected):
    bank, transcript = ConceptBank.default(), transcript_from_text(text)
    found = find_measurements(transcript, find_mentions(transcript, bank), bank)
    told = [f"{m.kind} {m.value} {m.unit}" + (f" -> {bank[m.concept_id].label}" if m.concept_id else "") for m in found]
    assert "; ".join(told) == expected


@pytest.mark.parametrize(("text", "sense"), SENSES, ids=lambda value: value[:40])
def test_wishes_and_limits_are_no_values_and_a_question_behind_a_value_takes_nothing_from_it(text, sense):
    transcript = transcript_from_text(text)
    found = find_measurements(transcript, (), ConceptBank.default())
    assert number_senses(transcript, found) == (sense,)
