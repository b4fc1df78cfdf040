//! The grammar of instructions; docs/instructions.md is its description for people.

use winnow::ModalResult;
use winnow::Parser;
use winnow::combinator::{alt, cut_err, eof, not, opt, preceded, repeat, separated, terminated};
use winnow::error::ContextError;
use winnow::token::any;

use crate::refusal::PlanRefusal;

/// What is understood, in one line.
pub const GRAMMAR_HINT: &str = "put X in|on Y, bring X to Y, stack X on Y, clear Y, pick up X, go to Y, \
    reach for X, look at X, go home, wait N seconds, joined by `and`, `then` or a comma";

/// How many objects a phrase means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantifier {
    /// `the red cube`, `red_cube`: exactly one fits.
    The,
    /// `a cube`: one of those that fit.
    Any,
    /// `all cubes`, `every cube`, `everything`.
    All,
    /// `it`, `them`: what was spoken of before.
    Pronoun,
}

/// Words that stand for objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Phrase {
    pub(crate) quantifier: Quantifier,
    /// Without article; empty for `everything` and pronouns.
    pub(crate) words: Vec<String>,
}

impl Phrase {
    /// For messages.
    pub(crate) fn text(&self) -> String {
        match self.quantifier {
            Quantifier::All => format!("all {}", self.words.join(" ")).trim().to_owned(),
            Quantifier::Pronoun => "it".into(),
            _ => self.words.join(" "),
        }
    }
}

/// Where to put something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Preposition {
    In,
    On,
    /// `to`: in a container, else on.
    To,
}

/// One wish.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Wish {
    Put { objects: Vec<Phrase>, preposition: Preposition, destination: Phrase },
    Clear(Phrase),
    PickUp(Phrase),
    GoTo(Phrase),
    ReachFor(Phrase),
    LookAt(Phrase),
    GoHome,
    Wait { seconds: f64 },
}

/// A wish, and whether `then` stands before it: what came before is done first.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Clause {
    pub(crate) then: bool,
    pub(crate) wish: Wish,
}

/// Words that begin a wish.
const VERBS: [&str; 24] = [
    "bring", "carry", "clear", "deliver", "drive", "drop", "empty", "go", "grab", "grasp", "look",
    "move", "navigate", "pause", "pick", "place", "put", "reach", "return", "set", "stack", "take",
    "wait", "home",
];

type Words<'a> = &'a [&'a str];

/// Reads an instruction.
pub(crate) fn parse(instruction: &str) -> Result<Vec<Clause>, PlanRefusal> {
    let lower = instruction.to_lowercase().replace(',', " , ").replace(';', " , then ");
    let words: Vec<&str> = lower
        .split_whitespace()
        .map(|word| word.trim_matches(|c: char| ".!?\"'".contains(c)))
        .filter(|word| !word.is_empty() && *word != "please")
        .collect();
    if words.iter().all(|word| *word == ",") {
        return Err(PlanRefusal::EmptyInstruction);
    }
    let mut input: Words<'_> = &words;
    let parsed = terminated(instruction_rule, eof).parse_next(&mut input);
    parsed.map_err(|_| PlanRefusal::NotUnderstood {
        // Where no clause could be read any more.
        text: if input.is_empty() { instruction.trim().to_owned() } else { input.join(" ") },
        hint: GRAMMAR_HINT.into(),
    })
}

fn instruction_rule(input: &mut Words<'_>) -> ModalResult<Vec<Clause>> {
    let first = wish.map(|wish| Clause { then: false, wish }).parse_next(input)?;
    let rest: Vec<Clause> = repeat(0.., next_clause).parse_next(input)?;
    Ok(std::iter::once(first).chain(rest).collect())
}

/// `, and then put ...`
fn next_clause(input: &mut Words<'_>) -> ModalResult<Clause> {
    let joints: Vec<&str> = repeat(1.., joint).parse_next(input)?;
    let then = joints.iter().any(|joint| matches!(*joint, "then" | "after"));
    let wish = cut_err(wish).parse_next(input)?;
    Ok(Clause { then, wish })
}

fn joint<'a>(input: &mut Words<'a>) -> ModalResult<&'a str> {
    alt((word(","), word("and"), word("then"), phrase_of(&["after", "that"]))).parse_next(input)
}

fn word<'a>(
    wanted: &'static str,
) -> impl Parser<Words<'a>, &'a str, winnow::error::ErrMode<ContextError>> {
    any.verify(move |word: &&str| *word == wanted)
}

/// All of these words; gives the first.
fn phrase_of<'a>(
    wanted: &'static [&'static str],
) -> impl Parser<Words<'a>, &'a str, winnow::error::ErrMode<ContextError>> {
    move |input: &mut Words<'a>| {
        let start = *input;
        for each in wanted {
            word(each).parse_next(input)?;
        }
        Ok(start[0])
    }
}

fn one_of<'a>(
    wanted: &'static [&'static str],
) -> impl Parser<Words<'a>, &'a str, winnow::error::ErrMode<ContextError>> {
    any.verify(move |word: &&str| wanted.contains(word))
}

fn wish(input: &mut Words<'_>) -> ModalResult<Wish> {
    alt((home, wait, look_at, reach_for, clear, put, bring, pick_up, go_to)).parse_next(input)
}

fn home(input: &mut Words<'_>) -> ModalResult<Wish> {
    (
        opt(one_of(&["go", "move", "return"])),
        opt(phrase_of(&["back"])),
        opt(word("to")),
        word("home"),
    )
        .map(|_| Wish::GoHome)
        .parse_next(input)
}

fn wait(input: &mut Words<'_>) -> ModalResult<Wish> {
    let seconds = any.try_map(|word: &str| word.trim_end_matches('s').parse::<f64>());
    let unit = opt(one_of(&["seconds", "second", "secs", "sec", "s"]));
    preceded((one_of(&["wait", "pause"]), opt(word("for"))), terminated(seconds, unit))
        .verify(|seconds| seconds.is_finite() && *seconds > 0.0)
        .map(|seconds| Wish::Wait { seconds })
        .parse_next(input)
}

fn look_at(input: &mut Words<'_>) -> ModalResult<Wish> {
    preceded((word("look"), word("at")), noun_phrase).map(Wish::LookAt).parse_next(input)
}

fn reach_for(input: &mut Words<'_>) -> ModalResult<Wish> {
    preceded((word("reach"), opt(word("for"))), noun_phrase).map(Wish::ReachFor).parse_next(input)
}

fn clear(input: &mut Words<'_>) -> ModalResult<Wish> {
    preceded((one_of(&["clear", "empty"]), opt(word("off"))), noun_phrase)
        .map(Wish::Clear)
        .parse_next(input)
}

fn put(input: &mut Words<'_>) -> ModalResult<Wish> {
    let verb = one_of(&["put", "place", "set", "drop", "stack", "move"]);
    let preposition = alt((
        phrase_of(&["on", "top", "of"]).value(Preposition::On),
        one_of(&["in", "into", "inside"]).value(Preposition::In),
        one_of(&["on", "onto"]).value(Preposition::On),
    ));
    preceded(verb, (noun_phrases, preposition, noun_phrase)).map(put_wish).parse_next(input)
}

fn bring(input: &mut Words<'_>) -> ModalResult<Wish> {
    let verb = one_of(&["bring", "carry", "take", "move", "deliver"]);
    let to = word("to").value(Preposition::To);
    preceded(verb, (noun_phrases, to, noun_phrase)).map(put_wish).parse_next(input)
}

fn put_wish((objects, preposition, destination): (Vec<Phrase>, Preposition, Phrase)) -> Wish {
    Wish::Put { objects, preposition, destination }
}

fn pick_up(input: &mut Words<'_>) -> ModalResult<Wish> {
    alt((
        preceded(phrase_of(&["pick", "up"]), noun_phrase),
        preceded(word("pick"), terminated(noun_phrase, word("up"))),
        preceded(one_of(&["grab", "grasp", "take"]), noun_phrase),
    ))
    .map(Wish::PickUp)
    .parse_next(input)
}

fn go_to(input: &mut Words<'_>) -> ModalResult<Wish> {
    preceded((one_of(&["go", "drive", "navigate", "move"]), word("to")), noun_phrase)
        .map(Wish::GoTo)
        .parse_next(input)
}

/// `the red cube and the blue cube`
fn noun_phrases(input: &mut Words<'_>) -> ModalResult<Vec<Phrase>> {
    let comma = alt(((word(","), word("and")).void(), word("and").void(), word(",").void()));
    separated(1.., noun_phrase, comma).parse_next(input)
}

fn noun_phrase(input: &mut Words<'_>) -> ModalResult<Phrase> {
    let pronoun =
        one_of(&["it", "them"]).map(|_| Phrase { quantifier: Quantifier::Pronoun, words: vec![] });
    let everything =
        word("everything").map(|_| Phrase { quantifier: Quantifier::All, words: vec![] });
    let quantifier = alt((
        (one_of(&["all", "every", "each"]), opt(word("of")), opt(word("the")))
            .value(Quantifier::All),
        word("the").value(Quantifier::The),
        one_of(&["a", "an", "any", "some"]).value(Quantifier::Any),
    ));
    let words = || repeat(1.., noun);
    let phrase = |(quantifier, words): (Quantifier, Vec<&str>)| Phrase {
        quantifier,
        words: words.into_iter().map(str::to_owned).collect(),
    };
    let with_article = (quantifier, words()).map(phrase);
    // `take the cube and go to the bin`: without an article a verb begins the next wish.
    let bare = (not(one_of(&VERBS)).value(Quantifier::The), words()).map(phrase);
    alt((pronoun, everything, with_article, bare)).parse_next(input)
}

/// A word that does not belong to the grammar itself.
fn noun<'a>(input: &mut Words<'a>) -> ModalResult<&'a str> {
    const KEYWORDS: [&str; 24] = [
        "in",
        "into",
        "inside",
        "on",
        "onto",
        "to",
        "up",
        "and",
        "then",
        ",",
        "the",
        "a",
        "an",
        "any",
        "all",
        "every",
        "each",
        "it",
        "them",
        "everything",
        "of",
        "for",
        "at",
        "off",
    ];
    any.verify(|word: &&str| !KEYWORDS.contains(word)).parse_next(input)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn the(words: &str) -> Phrase {
        let words = words.split(' ').map(str::to_owned).collect();
        Phrase { quantifier: Quantifier::The, words }
    }

    fn wishes(text: &str) -> Vec<Wish> {
        parse(text).unwrap().into_iter().map(|clause| clause.wish).collect()
    }

    #[test]
    fn put_with_its_prepositions() {
        for (text, preposition) in [
            ("Put the red cube in the bin.", Preposition::In),
            ("please place red cube into bin", Preposition::In),
            ("put the red cube on top of the bin", Preposition::On),
            ("stack the red cube onto the bin", Preposition::On),
            ("bring the red cube to the bin", Preposition::To),
            ("move the red cube to the bin!", Preposition::To),
        ] {
            let put =
                Wish::Put { objects: vec![the("red cube")], preposition, destination: the("bin") };
            assert_eq!(wishes(text), [put], "{text}");
        }
    }

    #[test]
    fn clauses_and_lists_are_told_apart() {
        let text = "pick up the red cube and the blue cube";
        assert!(matches!(parse(text), Err(PlanRefusal::NotUnderstood { .. })));
        let taken = wishes("take the red cube and go to the bin");
        assert_eq!(taken, [Wish::PickUp(the("red cube")), Wish::GoTo(the("bin"))]);
        let text = "put the red cube and the blue cube in the bin, then go home and wait 3 seconds";
        let clauses = parse(text).unwrap();
        assert_eq!(clauses.len(), 3);
        assert!(matches!(&clauses[0].wish, Wish::Put { objects, .. } if objects.len() == 2));
        assert!(clauses[1].then && !clauses[2].then);
        assert_eq!(clauses[2].wish, Wish::Wait { seconds: 3.0 });
    }

    #[test]
    fn each_form_is_understood() {
        for (text, wish) in [
            ("clear the table", Wish::Clear(the("table"))),
            ("empty the bin", Wish::Clear(the("bin"))),
            ("pick the red cube up", Wish::PickUp(the("red cube"))),
            ("grab red_cube", Wish::PickUp(the("red_cube"))),
            ("go to the table", Wish::GoTo(the("table"))),
            ("look at the bin", Wish::LookAt(the("bin"))),
            ("reach for the red cube", Wish::ReachFor(the("red cube"))),
            ("go home", Wish::GoHome),
            ("move to home", Wish::GoHome),
            ("wait for 2.5 s", Wish::Wait { seconds: 2.5 }),
        ] {
            assert_eq!(wishes(text), [wish], "{text}");
        }
        let all = Phrase { quantifier: Quantifier::All, words: vec!["cubes".into()] };
        for text in ["put all cubes in the bin", "put all of the cubes in the bin"] {
            assert!(
                matches!(&wishes(text)[0], Wish::Put { objects, .. } if *objects == [all.clone()])
            );
        }
    }

    #[test]
    fn what_is_not_understood_is_named() {
        assert_eq!(parse("  . "), Err(PlanRefusal::EmptyInstruction));
        assert_eq!(parse(""), Err(PlanRefusal::EmptyInstruction));
        for (text, rest) in [
            ("dance with me", "dance with me"),
            ("go home and dance", "dance"),
            ("put the red cube", "put the red cube"),
            ("wait -3 seconds", "wait -3 seconds"),
        ] {
            match parse(text) {
                Err(PlanRefusal::NotUnderstood { text, .. }) => assert_eq!(text, rest),
                other => panic!("{text}: {other:?}"),
            }
        }
    }
}
