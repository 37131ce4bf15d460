"""Any speech model of transformers as a recogniser: words with their times, by CTC and by an encoder-decoder."""

import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import tokenizers
import torch
import transformers

from medalign.core.audio import SAMPLE_RATE_HZ, load_recording
from medalign.core.errors import WeightsError
from medalign.core.transcript import Transcript
from medalign.models.speech_models import CtcModel, EncoderDecoder, Token
from medalign.models.transcription import load_transcriber, stretches_to_read

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def save(folder, *parts):
    torch.manual_seed(0)
    for part in parts:
        part.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def wav2vec2(tmp_path_factory):
    """Letters, capitals only, a bar between words."""
    folder = tmp_path_factory.mktemp("wav2vec2")
    vocabulary = {text: i for i, text in enumerate(["<pad>", "<s>", "</s>", "<unk>", "|", *LETTERS])}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    config = transformers.Wav2Vec2Config(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, conv_dim=(8,) * 7,
        vocab_size=len(vocabulary), num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=2, pad_token_id=0,
    )  # fmt: skip
    tokenizer = transformers.Wav2Vec2CTCTokenizer(str(folder / "vocab.json"))
    return save(folder, transformers.Wav2Vec2ForCTC(config), tokenizer, transformers.Wav2Vec2FeatureExtractor())


@pytest.fixture(scope="module")
def lasr(tmp_path_factory):
    """The architecture of MedASR: pieces of words, and dictated marks."""
    pieces = ["<pad>", "</s>", "<unk>", "▁", "▁Chest", "▁pain", "s", "▁{period}", "▁No", "▁{new", "▁paragraph}"]
    encoder = transformers.LasrEncoderConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2, intermediate_size=16,
        subsampling_conv_channels=8, conv_kernel_size=9,
    )  # fmt: skip
    model = transformers.LasrForCTC(transformers.LasrCTCConfig(encoder_config=encoder, vocab_size=len(pieces), pad_token_id=0))
    tokenizer = transformers.LasrTokenizer(vocab=[(piece, -1.0) for piece in pieces], extra_ids=0)
    return save(tmp_path_factory.mktemp("lasr"), model, tokenizer, transformers.LasrFeatureExtractor())


@pytest.fixture(scope="module")
def whisper(tmp_path_factory):
    words = ["<pad>", "<|endoftext|>", "<|startoftranscript|>", "<|notimestamps|>", *"abcdefghijkl", "Ġpain", "Ġchest"]
    byte_level = tokenizers.Tokenizer(tokenizers.models.BPE({word: i for i, word in enumerate(words)}, []))
    byte_level.decoder = tokenizers.decoders.ByteLevel()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=byte_level, pad_token=words[0], eos_token=words[1], additional_special_tokens=words[2:4]
    )
    config = transformers.WhisperConfig(
        d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
        encoder_ffn_dim=16, decoder_ffn_dim=16, vocab_size=len(words), pad_token_id=0, bos_token_id=1, eos_token_id=1,
        decoder_start_token_id=2, max_target_positions=32,
    )  # fmt: skip
    torch.manual_seed(3)
    model = transformers.WhisperForConditionalGeneration(config)
    model.generation_config = transformers.GenerationConfig(
        alignment_heads=[[0, 0], [0, 1]], is_multilingual=False, no_timestamps_token_id=3, suppress_tokens=[0, 1, 2, 3],
        decoder_start_token_id=2, pad_token_id=0, bos_token_id=1, eos_token_id=1, max_length=32,
    )  # fmt: skip
    return save(tmp_path_factory.mktemp("whisper"), model, tokenizer, transformers.WhisperFeatureExtractor())


@pytest.fixture(scope="module")
def speech(examples):
    """Ten seconds with pauses in them."""
    recording = load_recording(examples["chest-pain"].audio_path)
    return replace(recording, waveform=recording.waveform[: 10 * SAMPLE_RATE_HZ])


def copy_of(folder, tmp_path, *left_out, **config):
    """A model's folder with something else in its configuration, or without a file."""
    copied = tmp_path / "copy"
    shutil.copytree(folder, copied, ignore=shutil.ignore_patterns(*left_out))
    body = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps(body | config))
    return copied


def check_order(transcript: Transcript, duration_s: float) -> None:
    words = transcript.words
    assert all(0 <= w.start_s <= w.end_s <= duration_s and 0 <= w.probability <= 1 for w in words)
    assert all(a.start_s <= b.start_s for a, b in zip(words, words[1:], strict=False))
    assert all(s.start_s == s.words[0].start_s and s.end_s >= s.words[-1].end_s for s in transcript.segments)


@pytest.mark.parametrize("name", ["wav2vec2", "lasr", "whisper"])
def test_a_model_that_has_learnt_nothing_writes_nonsense_in_order(request, speech, name):
    transcriber = load_transcriber(str(request.getfixturevalue(name)))
    *_, transcript = so_far = list(transcriber.stream(speech))
    assert transcript.words and len(so_far) >= 1
    check_order(transcript, speech.duration_s)
    assert transcriber.info.runtime.startswith("transformers ") and transcriber.info.runtime.endswith("float32, cpu")
    assert transcriber.scorer is None
    assert transcriber.transcribe(speech) == transcript, "it holds no state"
    silence = replace(speech, waveform=np.zeros(2 * SAMPLE_RATE_HZ, np.float32))
    assert transcriber.transcribe(silence) == Transcript(())


def scripted(transcriber: CtcModel, frames: list[int]) -> CtcModel:
    """The recogniser with a model that is sure of a token in each frame."""

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, **_):
            return SimpleNamespace(logits=torch.nn.functional.one_hot(torch.tensor([frames]), 40).float() * 20)

    transcriber._model = Model()
    return transcriber


def test_letters_of_ctc_become_words_at_the_frames_where_they_were_heard(wav2vec2, speech):
    def frame(text: str) -> list[int]:
        return [0 if letter == "_" else 4 if letter == "|" else 5 + LETTERS.index(letter) for letter in text]

    frames = frame("__CHHES_T|__PAIN_|IL_L__")  # twice the same letter only with a blank between
    transcriber = scripted(load_transcriber(str(wav2vec2)), frames)
    (stretch, *_) = stretches_to_read(speech, at_each_pause=True)
    transcript = transcriber.transcribe(speech)
    first = [word for word in transcript.words if word.start_s < stretch["end"]]
    assert [word.text for word in first] == ["chest", "pain", "ill"], "no capitals: they would look like abbreviations"
    frame_s = (stretch["end"] - stretch["start"]) / len(frames)
    places = [((word.start_s - stretch["start"]) / frame_s, (word.end_s - stretch["start"]) / frame_s) for word in first]
    assert np.allclose(places, [(2, 9), (12, 16), (18, 22)], atol=0.02)
    assert len(transcript.segments) == len(stretches_to_read(speech, at_each_pause=True)) > 1
    assert all(segment.mean_log_probability is None for segment in transcript.segments), "fits on Whisper's don't hold for it"


def test_pieces_of_words_keep_their_capitals_and_dictated_marks_become_marks(lasr, speech):
    transcriber = scripted(load_transcriber(str(lasr)), [0, 4, 5, 6, 0, 7, 7, 0, 9, 10, 8, 0, 5, 1])
    texts = [segment.text for segment in transcriber.transcribe(speech).segments]
    assert texts[:2] == ["Chest pains.", "No pain"]


def test_whisper_tells_the_times_of_its_words_and_another_shares_them_out_by_letters(whisper, tmp_path, speech):
    transcriber = load_transcriber(str(whisper))
    assert isinstance(transcriber, EncoderDecoder)
    segments = transcriber.transcribe(speech).segments
    assert all(segment.mean_log_probability < 0 for segment in segments)
    scores = tuple(torch.nn.functional.one_hot(torch.tensor([token_id]), 18).float() for token_id in (17, 16, 1))
    ends_s = torch.tensor([[0.0, 0.0, 0.0, 1.0, 1.4]])  # of the prompt, and of the first token, the library has none
    written = {"sequences": torch.tensor([[2, 3, 17, 16, 1]]), "scores": scores, "token_timestamps": ends_s}
    transcriber._model.generate = lambda **_: written
    tokens = transcriber._read(transcriber._model, speech.levelled[:SAMPLE_RATE_HZ], None).tokens
    assert np.allclose([(token.start_s, token.end_s) for token in tokens], [(0.0, 0.5), (0.5, 1.0), (1.0, 1.4)])
    bare = copy_of(whisper, tmp_path)
    settings = json.loads((bare / "generation_config.json").read_text())
    del settings["alignment_heads"]
    (bare / "generation_config.json").write_text(json.dumps(settings))
    shared = load_transcriber(str(bare))
    assert shared.info.runtime.endswith("word times by share of letters")
    check_order(shared.transcribe(speech), speech.duration_s)
    tokens = [Token(token_id, 0.5) for token_id in (17, 16, 4)]  # " chest", " pain", "a"
    words = shared._words(tokens, 2.0, 4.0)
    assert [(word.text, word.start_s, word.end_s) for word in words] == [("chest", 2.167, 3.0), ("paina", 3.167, 4.0)]


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (lambda w, t: copy_of(w, t, "*vocab.json", "tokenizer*"), "has no tokenizer that can be loaded"),
        (lambda w, t: copy_of(w, t, "preprocessor_config.json"), "can't be loaded as a speech model"),
        (lambda w, t: copy_of(w, t, model_type="bert"), "is a 'bert', which does not write down speech"),
        (lambda w, t: copy_of(w, t, model_type="qwen3_asr"), "is a 'qwen3_asr', which does not write down speech"),
        (lambda w, t: copy_of(w, t, model_type="hubert"), "of its weights are missing"),
        (lambda w, t: copy_of(w, t, "model.safetensors"), "holds none of model.bin"),
        (lambda w, t: "nobody/nothing", "could not be fetched from the Hub"),
        (lambda w, t: t / "missing", "neither a folder nor a known name; use one of base, tiny.en"),
    ],
)  # fmt: skip
def test_what_is_no_recogniser_is_refused_in_one_sentence(wav2vec2, tmp_path, capfd, made, told):
    with pytest.raises(WeightsError) as refusal:
        load_transcriber(str(made(wav2vec2, tmp_path)))
    assert told in str(refusal.value) and "\n" not in str(refusal.value) and capfd.readouterr().err == ""


def test_another_rate_is_refused_and_a_model_that_breaks_down_is_one_sentence(wav2vec2, tmp_path, speech):
    other = copy_of(wav2vec2, tmp_path)
    settings = json.loads((other / "preprocessor_config.json").read_text()) | {"sampling_rate": 8000}
    (other / "preprocessor_config.json").write_text(json.dumps(settings))
    with pytest.raises(WeightsError, match="takes sound at 8000 Hz, 16000 Hz is expected"):
        load_transcriber(str(other))
    transcriber = load_transcriber(str(wav2vec2))
    transcriber._read = lambda *_: (_ for _ in ()).throw(TypeError("it wants a prompt\nand more"))
    with pytest.raises(WeightsError, match=r"can't write down a recording \(it wants a prompt\); give another --asr"):
        transcriber.transcribe(speech)


def test_an_analysis_with_any_recogniser_says_what_it_goes_without(analyzer, lasr, speech):
    from medalign.pipeline.analyzer import Analyzer

    transcriber = scripted(load_transcriber(str(lasr)), [0, 8, 4, 5, 6, 0, 7, 0])
    analysis = Analyzer(transcriber, analyzer.listener).analyze(speech)
    (row,) = [row for row in analysis.concepts if row.label == "chest pain" and row.teacher]
    assert row.status == "negated" and analysis.models.asr.name == str(lasr)
    assert any("no misheard medicine" in warning for warning in analysis.warnings)
