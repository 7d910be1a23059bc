//! Spot checks written by hand from keyboards, not from the tables: S is Shift, G AltGr, numbers are scancodes.

use super::tests::{Pair, keysym_of};

/// Checks that each character is typed by those strokes, and by nothing else.
fn check(layout: &str, expected: &[(char, &str)]) {
    assert!(expected.len() >= 6);
    for &(character, strokes) in expected {
        let mut pair = Pair::new(layout);
        assert_eq!(pair.strokes(&[keysym_of(character)]), strokes, "{layout}: {character}");
        assert_eq!(pair.machine.take_text(), character.to_string(), "{layout}");
    }
}

#[test]
fn czech_keys_are_where_they_should_be() {
    let expected = [
        ('1', "S02"),
        ('ě', "03"),
        ('ů', "27"),
        ('z', "15"),
        ('y', "2C"),
        ('€', "G12"),
        ('@', "G2F"),
        ('ó', "0D 18"),
        ('ď', "S0D 20"),
        ('Ň', "S0D S31"),
        ('&', "G2E"),
        ('ú', "1A"),
        ('\\', "56"),
    ];
    check("cs-cz-qwertz", &expected);
}

#[test]
fn danish_keys_are_where_they_should_be() {
    let expected = [
        ('æ', "27"),
        ('ø', "28"),
        ('å', "1A"),
        ('@', "G03"),
        ('\\', "G56"),
        ('|', "G0D"),
        ('é', "0D 12"),
        ('~', "G1B 39"),
    ];
    check("da-dk-qwerty", &expected);
}

#[test]
fn swiss_german_keys_are_where_they_should_be() {
    let expected = [
        ('ü', "1A"),
        ('è', "S1A"),
        ('z', "15"),
        ('@', "G03"),
        ('#', "G04"),
        ('ç', "S05"),
        ('ê', "0D 12"),
        ('$', "2B"),
        ('Ö', "1B S18"),
        ('{', "G28"),
    ];
    check("de-ch-qwertz", &expected);
}

#[test]
fn german_keys_are_where_they_should_be() {
    let expected = [
        ('@', "G10"),
        ('ß', "0C"),
        ('z', "15"),
        ('ü', "1A"),
        ('Ä', "S28"),
        ('€', "G12"),
        ('\\', "G0C"),
        ('{', "G08"),
        ('~', "G1B"),
        ('|', "G56"),
        ('^', "29 39"),
        ('ê', "29 12"),
        ('É', "0D S12"),
        ('à', "S0D 1E"),
        ('§', "S04"),
        ('µ', "G32"),
    ];
    check("de-de-qwertz", &expected);
}

#[test]
fn british_keys_are_where_they_should_be() {
    let expected = [
        ('£', "S04"),
        ('@', "S28"),
        ('"', "S03"),
        ('#', "2B"),
        ('~', "S2B"),
        ('\\', "56"),
        ('€', "G05"),
        ('É', "SG12"),
    ];
    check("en-gb-qwerty", &expected);
}

#[test]
fn american_keys_are_where_they_should_be() {
    let expected =
        [('@', "S03"), ('#', "S04"), ('\\', "2B"), ('|', "S2B"), ('`', "29"), ('~', "S29"), ('?', "S35"), ('"', "S28")];
    check("en-us-qwerty", &expected);
}

#[test]
fn spanish_keys_are_where_they_should_be() {
    let expected = [
        ('ñ', "27"),
        ('@', "G03"),
        ('¿', "S0D"),
        ('¡', "0D"),
        ('\\', "G29"),
        ('€', "G12"),
        ('ç', "2B"),
        ('á', "28 1E"),
        ('Ü', "S28 S16"),
        ('~', "G05 39"),
        ('/', "S08"),
    ];
    check("es-es-qwerty", &expected);
}

#[test]
fn latin_american_keys_are_where_they_should_be() {
    let expected = [
        ('ñ', "27"),
        ('@', "G10"),
        ('¿', "0D"),
        ('\\', "G0C"),
        ('{', "28"),
        ('[', "S28"),
        ('é', "1A 12"),
        ('ü', "S1A 16"),
        ('|', "29"),
    ];
    check("es-latam-qwerty", &expected);
}

#[test]
fn belgian_keys_are_where_they_should_be() {
    let expected = [
        ('a', "10"),
        ('q', "1E"),
        ('m', "27"),
        ('@', "G03"),
        ('é', "03"),
        ('à', "0B"),
        ('{', "G0A"),
        ('\\', "G56"),
        ('ê', "1A 12"),
        ('ï', "S1A 17"),
        ('=', "35"),
        ('1', "S02"),
    ];
    check("fr-be-azerty", &expected);
}

#[test]
fn canadian_keys_are_where_they_should_be() {
    let expected = [
        ('é', "35"),
        ('#', "29"),
        ('\\', "G29"),
        ('@', "G03"),
        ('à', "28 1E"),
        ('ç', "1B 2E"),
        ('«', "56"),
        ('»', "S56"),
        ('ê', "1A 12"),
        ('Ë', "S1B S12"),
        ('\'', "S33"),
        ('\u{a0}', "G39"),
    ];
    check("fr-ca-qwerty", &expected);
}

#[test]
fn swiss_french_keys_are_where_they_should_be() {
    let expected =
        [('è', "1A"), ('ü', "S1A"), ('é', "27"), ('ö', "S27"), ('à', "28"), ('@', "G03"), ('z', "15"), ('ñ', "G0D 31")];
    check("fr-ch-qwertz", &expected);
}

#[test]
fn french_keys_are_where_they_should_be() {
    let expected = [
        ('a', "10"),
        ('z', "11"),
        ('w', "2C"),
        ('m', "27"),
        (',', "32"),
        ('1', "S02"),
        ('é', "03"),
        ('ç', "0A"),
        ('@', "G0B"),
        ('#', "G04"),
        ('€', "G12"),
        ('\\', "G09"),
        ('ê', "1A 12"),
        ('Ï', "S1A S17"),
        ('ñ', "G03 31"),
        ('^', "G0A"),
        ('ù', "28"),
        ('!', "35"),
    ];
    check("fr-fr-azerty", &expected);
}

#[test]
fn hungarian_keys_are_where_they_should_be() {
    let expected = [
        ('ő', "1A"),
        ('ű', "2B"),
        ('Í', "S56"),
        ('0', "29"),
        ('ö', "0B"),
        ('z', "15"),
        ('@', "G2F"),
        ('€', "G16"),
        ('\\', "G10"),
        ('ß', "G28"),
        ('š', "G03 1F"),
    ];
    check("hu-hu-qwertz", &expected);
}

#[test]
fn italian_keys_are_where_they_should_be() {
    let expected = [
        ('è', "1A"),
        ('ò', "27"),
        ('à', "28"),
        ('ù', "2B"),
        ('ì', "0D"),
        ('@', "G27"),
        ('#', "G28"),
        ('{', "SG1A"),
        ('[', "G1A"),
        ('€', "G12"),
        ('é', "S1A"),
    ];
    check("it-it-qwerty", &expected);
}

#[test]
fn japanese_keys_are_where_they_should_be() {
    let expected = [
        ('@', "1A"),
        ('[', "1B"),
        (']', "2B"),
        ('\\', "73"),
        ('_', "S73"),
        ('|', "S7D"),
        ('"', "S03"),
        ('&', "S07"),
        ('^', "0D"),
        (':', "28"),
        ('+', "S27"),
        ('`', "S1A"),
    ];
    check("ja-jp-qwerty", &expected);
}

#[test]
fn norwegian_keys_are_where_they_should_be() {
    let expected = [
        ('ø', "27"),
        ('æ', "28"),
        ('å', "1A"),
        ('@', "G03"),
        ('\\', "0D"),
        ('|', "29"),
        ('é', "G0D 12"),
        ('è', "S0D 12"),
    ];
    check("no-no-qwerty", &expected);
}

#[test]
fn polish_keys_are_where_they_should_be() {
    let expected = [
        ('ą', "G1E"),
        ('Ł', "SG26"),
        ('ź', "G2D"),
        ('ż', "G2C"),
        ('ó', "G18"),
        ('€', "G16"),
        ('@', "S03"),
        ('~', "S29 39"),
    ];
    check("pl-pl-qwerty", &expected);
}

#[test]
fn brazilian_keys_are_where_they_should_be() {
    let expected = [
        ('ç', "27"),
        ('/', "73"),
        ('?', "S73"),
        ('ã', "28 1E"),
        ('é', "1A 12"),
        ('Ê', "S28 S12"),
        (';', "35"),
        ('\\', "56"),
        ('~', "28 39"),
        ('\'', "29"),
        ('ü', "S07 16"),
    ];
    check("pt-br-qwerty", &expected);
}

#[test]
fn portuguese_keys_are_where_they_should_be() {
    let expected = [
        ('ç', "27"),
        ('º', "28"),
        ('ã', "2B 1E"),
        ('á', "1B 1E"),
        ('\\', "29"),
        ('«', "0D"),
        ('€', "G12"),
        ('@', "G03"),
        ('ü', "G1A 16"),
    ];
    check("pt-pt-qwerty", &expected);
}

#[test]
fn romanian_keys_are_where_they_should_be() {
    let expected = [
        ('ă', "1A"),
        ('î', "1B"),
        ('â', "2B"),
        ('ș', "27"),
        ('Ț', "S28"),
        ('„', "29"),
        ('€', "G12"),
        ('\\', "56"),
        (';', "S33"),
        ('<', "G33"),
    ];
    check("ro-ro-qwerty", &expected);
}

#[test]
fn swedish_keys_are_where_they_should_be() {
    let expected = [
        ('ö', "27"),
        ('ä', "28"),
        ('å', "1A"),
        ('@', "G03"),
        ('\\', "G0C"),
        ('|', "G56"),
        ('§', "29"),
        ('é', "0D 12"),
        ('~', "G1B 39"),
        ('ü', "1B 16"),
    ];
    check("sv-se-qwerty", &expected);
}

#[test]
fn turkish_keys_are_where_they_should_be() {
    let expected = [
        ('ı', "17"),
        ('I', "S17"),
        ('i', "28"),
        ('İ', "S28"),
        ('ğ', "1A"),
        ('ş', "27"),
        ('@', "G10"),
        ('€', "G12"),
        ('â', "S04 1E"),
        ('"', "29"),
        ('é', "S29"),
        ('ö', "33"),
        (',', "2B"),
    ];
    check("tr-tr-qwerty", &expected);
}
