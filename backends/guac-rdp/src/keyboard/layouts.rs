//! The layouts, as Windows has them.
//!
//! A layout's rows are those of the keyboard, top to bottom: scancodes 29 and 02..=0D, 10..=1B, 1E..=28 and 2B, 56 and
//! 2C..=35. Each cell is a key: its characters alone, with Shift, with AltGr and with both. `◌` makes the next
//! character a dead key, `∅` stands for nothing. What a layout lacks here is typed as a Unicode event, so a cell is
//! left out where versions of Windows differ.

use super::layout::Spec;

/// What the dead keys of the Latin-1 layouts make: the accent, then pairs of a letter and what becomes of it.
const LATIN1: &[&str] = &[
    "´aáeéiíoóuúyýAÁEÉIÍOÓUÚYÝ",
    "`aàeèiìoòuùAÀEÈIÌOÒUÙ",
    "^aâeêiîoôuûAÂEÊIÎOÔUÛ",
    "¨aäeëiïoöuüyÿAÄEËIÏOÖUÜ",
    "~aãnñoõAÃNÑOÕ",
];

/// The same for the Latin-2 layouts.
const LATIN2: &[&str] = &[
    "ˇcčdďeělľnňrřsštťzžCČDĎEĚLĽNŇRŘSŠTŤZŽ",
    "^aâiîoôAÂIÎOÔ",
    "˘aăAĂ",
    "°uůUŮ",
    "˛aąeęAĄEĘ",
    "˙zżZŻ",
    "´aácćeéiílĺnńoórŕsśuúyýzźAÁCĆEÉIÍLĹNŃOÓRŔSŚUÚYÝZŹ",
    "˝oőuűOŐUŰ",
    "¨aäeëoöuüAÄEËOÖUÜ",
    "¸cçsşCÇSŞ",
];

/// By name.
pub(super) const ALL: &[Spec] = &[
    Spec {
        name: "cs-cz-qwertz",
        locale: 0x0405,
        alt_gr: true,
        rows: [
            ";◌° +1~ ě2◌ˇ š3◌^ č4◌˘ ř5◌° ž6◌˛ ý7` á8◌˙ í9◌´ é0◌˝ =%◌¨ ◌´◌ˇ◌¸",
            r"qQ\ wW| eE€ rR tT zZ uU iI oO pP ú/÷ )(×",
            "aA sSđ dDĐ fF[ gG] hH jJ kKł lLŁ ů\"$ §!ß ◌¨'¤",
            r"\| yY xX# cC& vV@ bB{ nN} mM ,?< .:> -_*",
        ],
        more: &[],
        accents: LATIN2,
    },
    Spec {
        name: "da-dk-qwerty",
        locale: 0x0406,
        alt_gr: true,
        rows: [
            "½§ 1! 2\"@ 3#£ 4¤$ 5% 6& 7/{ 8([ 9)] 0=} +? ◌´◌`|",
            "qQ wW eE€ rR tT yY uU iI oO pP åÅ ◌¨◌^◌~",
            "aA sS dD fF gG hH jJ kK lL æÆ øØ '*",
            r"<>\ zZ xX cC vV bB nN mMµ ,; .: -_",
        ],
        more: &[],
        accents: LATIN1,
    },
    Spec {
        name: "de-ch-qwertz",
        locale: 0x0807,
        alt_gr: true,
        rows: [
            "§° 1+¦ 2\"@ 3*# 4ç° 5%§ 6&¬ 7/| 8(¢ 9) 0= '?◌´ ◌^◌`◌~",
            "qQ wW eE€ rR tT zZ uU iI oO pP üè[ ◌¨!]",
            "aA sS dD fF gG hH jJ kK lL öé äà{ $£}",
            r"<>\ yY xX cC vV bB nN mM ,; .: -_",
        ],
        more: &[],
        accents: LATIN1,
    },
    Spec {
        name: "de-de-qwertz",
        locale: 0x0407,
        alt_gr: true,
        rows: [
            r#"◌^° 1! 2"² 3§³ 4$ 5% 6& 7/{ 8([ 9)] 0=} ß?\ ◌´◌`"#,
            "qQ@ wW eE€ rR tT zZ uU iI oO pP üÜ +*~",
            "aA sS dD fF gG hH jJ kK lL öÖ äÄ #'",
            "<>| yY xX cC vV bB nN mMµ ,; .: -_",
        ],
        more: &[],
        accents: LATIN1,
    },
    Spec {
        name: "en-gb-qwerty",
        locale: 0x0809,
        alt_gr: true,
        rows: [
            "`¬¦ 1! 2\" 3£ 4$€ 5% 6^ 7& 8* 9( 0) -_ =+",
            "qQ wW eEéÉ rR tT yY uUúÚ iIíÍ oOóÓ pP [{ ]}",
            "aAáÁ sS dD fF gG hH jJ kK lL ;: '@ #~",
            r"\| zZ xX cC vV bB nN mM ,< .> /?",
        ],
        more: &[],
        accents: &[],
    },
    ENGLISH_US,
    Spec {
        name: "es-es-qwerty",
        locale: 0x040A,
        alt_gr: true,
        rows: [
            "ºª\\ 1!| 2\"@ 3·# 4$◌~ 5% 6&¬ 7/ 8( 9) 0= '? ¡¿",
            "qQ wW eE€ rR tT yY uU iI oO pP ◌`◌^[ +*]",
            "aA sS dD fF gG hH jJ kK lL ñÑ ◌´◌¨{ çÇ}",
            "<> zZ xX cC vV bB nN mM ,; .: -_",
        ],
        more: &[],
        accents: LATIN1,
    },
    Spec {
        name: "es-latam-qwerty",
        locale: 0x080A,
        alt_gr: true,
        rows: [
            r#"|°¬ 1! 2" 3# 4$ 5% 6& 7/ 8( 9) 0= '?\ ¿¡"#,
            "qQ@ wW eE rR tT yY uU iI oO pP ◌´◌¨ +*~",
            "aA sS dD fF gG hH jJ kK lL ñÑ {[◌^ }]◌`",
            "<> zZ xX cC vV bB nN mM ,; .: -_",
        ],
        more: &[],
        accents: LATIN1,
    },
    Spec {
        name: "fr-be-azerty",
        locale: 0x080C,
        alt_gr: true,
        rows: [
            "²³ &1| é2@ \"3# '4 (5 §6^ è7 !8 ç9{ à0} )° -_",
            "aA zZ eE€ rR tT yY uU iI oO pP ◌^◌¨[ $*]",
            "qQ sS dD fF gG hH jJ kK lL mM ù%◌´ µ£◌`",
            r"<>\ wW xX cC vV bB nN ,? ;. :/ =+◌~",
        ],
        more: &[],
        accents: LATIN1,
    },
    Spec {
        name: "fr-ca-qwerty",
        locale: 0x1009,
        alt_gr: true,
        rows: [
            r#"#|\ 1!± 2"@ 3/£ 4$¢ 5%¤ 6?¬ 7&¦ 8*² 9(³ 0)¼ -_½ =+¾"#,
            "qQ wW eE rR tT yY uU iI oO§ pP¶ ◌^◌^[ ◌¸◌¨]",
            "aA sS dD fF gG hH jJ kK lL ;:~ ◌`◌`{ <>}",
            "«»° zZ xX cC vV bB nN mMµ ,'¯ ..\u{ad} éÉ◌´",
        ],
        more: &[(0x39, "∅∅\u{a0}")],
        accents: &[
            "´aáeéiíoóuúyýAÁEÉIÍOÓUÚYÝ",
            "`aàeèiìoòuùAÀEÈIÌOÒUÙ",
            "^aâeêiîoôuûAÂEÊIÎOÔUÛ",
            "¨aäeëiïoöuüyÿAÄEËIÏOÖUÜ",
            "¸cçCÇ",
        ],
    },
    Spec {
        name: "fr-ch-qwertz",
        locale: 0x100C,
        alt_gr: true,
        rows: [
            "§° 1+¦ 2\"@ 3*# 4ç° 5%§ 6&¬ 7/| 8(¢ 9) 0= '?◌´ ◌^◌`◌~",
            "qQ wW eE€ rR tT zZ uU iI oO pP èü[ ◌¨!]",
            "aA sS dD fF gG hH jJ kK lL éö àä{ $£}",
            r"<>\ yY xX cC vV bB nN mM ,; .: -_",
        ],
        more: &[],
        accents: LATIN1,
    },
    Spec {
        name: "fr-fr-azerty",
        locale: 0x040C,
        alt_gr: true,
        rows: [
            r#"² &1 é2◌~ "3# '4{ (5[ -6| è7◌` _8\ ç9^ à0@ )°] =+}"#,
            "aA zZ eE€ rR tT yY uU iI oO pP ◌^◌¨ $£¤",
            "qQ sS dD fF gG hH jJ kK lL mM ù% *µ",
            "<> wW xX cC vV bB nN ,? ;. :/ !§",
        ],
        more: &[],
        accents: LATIN1,
    },
    Spec {
        name: "hu-hu-qwertz",
        locale: 0x040E,
        alt_gr: true,
        rows: [
            "0§ 1'~ 2\"◌ˇ 3+◌^ 4!◌˘ 5%◌° 6/◌˛ 7=` 8(◌˙ 9)◌´ öÖ◌˝ üÜ◌¨ óÓ◌¸",
            r"qQ\ wW| eEÄ rR tT zZ uU€ iIÍ oO pP őŐ÷ úÚ×",
            "aAä sSđ dDĐ fF[ gG] hH jJí kKł lLŁ éÉ$ áÁß űŰ¤",
            "íÍ< yY> xX# cC& vV@ bB{ nN} mM< ,?; .:> -_*",
        ],
        more: &[],
        accents: LATIN2,
    },
    Spec {
        name: "it-it-qwerty",
        locale: 0x0410,
        alt_gr: true,
        rows: [
            "\\| 1! 2\" 3£ 4$ 5% 6& 7/ 8( 9) 0= '? ì^",
            "qQ wW eE€ rR tT yY uU iI oO pP èé[{ +*]}",
            "aA sS dD fF gG hH jJ kK lL òç@ à°# ù§",
            "<> zZ xX cC vV bB nN mM ,; .: -_",
        ],
        more: &[],
        accents: &[],
    },
    Spec {
        name: "ja-jp-qwerty",
        locale: 0x0411,
        alt_gr: false,
        rows: [
            r#"∅ 1! 2" 3# 4$ 5% 6& 7' 8( 9) 0 -= ^~"#,
            "qQ wW eE rR tT yY uU iI oO pP @` [{",
            "aA sS dD fF gG hH jJ kK lL ;+ :* ]}",
            "∅ zZ xX cC vV bB nN mM ,< .> /?",
        ],
        more: &[(0x73, r"\_"), (0x7D, "∅|")],
        accents: &[],
    },
    Spec {
        name: "no-no-qwerty",
        locale: 0x0414,
        alt_gr: true,
        rows: [
            r#"|§ 1! 2"@ 3#£ 4¤$ 5% 6& 7/{ 8([ 9)] 0=} +? \◌`◌´"#,
            "qQ wW eE€ rR tT yY uU iI oO pP åÅ ◌¨◌^◌~",
            "aA sS dD fF gG hH jJ kK lL øØ æÆ '*",
            "<> zZ xX cC vV bB nN mMµ ,; .: -_",
        ],
        more: &[],
        accents: LATIN1,
    },
    Spec {
        name: "pl-pl-qwerty",
        locale: 0x0415,
        alt_gr: true,
        rows: [
            "`◌~ 1! 2@ 3# 4$ 5% 6^ 7& 8* 9( 0) -_ =+",
            "qQ wW eEęĘ rR tT yY uU€ iI oOóÓ pP [{ ]}",
            r#"aAąĄ sSśŚ dD fF gG hH jJ kK lLłŁ ;: '" \|"#,
            r"\| zZżŻ xXźŹ cCćĆ vV bB nNńŃ mM ,< .> /?",
        ],
        more: &[],
        accents: &["~aącćeęlłnńoósśxźzżAĄCĆEĘLŁNŃOÓSŚXŹZŻ"],
    },
    Spec {
        name: "pt-br-qwerty",
        locale: 0x0416,
        alt_gr: true,
        rows: [
            "'\" 1!¹ 2@² 3#³ 4$£ 5%¢ 6◌¨¬ 7& 8* 9( 0) -_ =+§",
            "qQ/ wW? eE rR tT yY uU iI oO pP ◌´◌` [{ª",
            "aA sS dD fF gG hH jJ kK lL çÇ ◌~◌^ ]}º",
            r"\| zZ xX cC vV bB nN mM ,< .> ;:",
        ],
        more: &[(0x73, "/?°")],
        accents: LATIN1,
    },
    Spec {
        name: "pt-pt-qwerty",
        locale: 0x0816,
        alt_gr: true,
        rows: [
            r#"\| 1! 2"@ 3#£ 4$§ 5% 6& 7/{ 8([ 9)] 0=} '? «»"#,
            "qQ wW eE€ rR tT yY uU iI oO pP +*◌¨ ◌´◌`",
            "aA sS dD fF gG hH jJ kK lL çÇ ºª ◌~◌^",
            "<> zZ xX cC vV bB nN mM ,; .: -_",
        ],
        more: &[],
        accents: LATIN1,
    },
    Spec {
        name: "ro-ro-qwerty",
        // Romanian (Standard): 0418 is an older one, a QWERTZ with cedillas.
        locale: 0x0001_0418,
        alt_gr: true,
        rows: [
            "„”`~ 1! 2@ 3# 4$ 5% 6^ 7& 8* 9( 0) -_ =+",
            "qQ wW eE€ rR tT yY uU iI oO pP§ ăĂ[{ îÎ]}",
            r#"aA sS dDđĐ fF gG hH jJ kK lLłŁ șȘ;: țȚ'" âÂ\|"#,
            r"\| zZ xX cC© vV bB nN mM ,;<« .:>» /?",
        ],
        more: &[],
        accents: &[],
    },
    Spec {
        name: "sv-se-qwerty",
        locale: 0x041D,
        alt_gr: true,
        rows: [
            r#"§½ 1! 2"@ 3#£ 4¤$ 5% 6& 7/{ 8([ 9)] 0=} +?\ ◌´◌`"#,
            "qQ wW eE€ rR tT yY uU iI oO pP åÅ ◌¨◌^◌~",
            "aA sS dD fF gG hH jJ kK lL öÖ äÄ '*",
            "<>| zZ xX cC vV bB nN mMµ ,; .: -_",
        ],
        more: &[],
        accents: LATIN1,
    },
    Spec {
        name: "tr-tr-qwerty",
        locale: 0x041F,
        alt_gr: true,
        rows: [
            r#""é< 1!> 2'£ 3◌^# 4+$ 5%½ 6& 7/{ 8([ 9)] 0=} *?\ -_|"#,
            "qQ@ wW eE€ rR tT yY uU ıIiİ oO pP ğĞ◌¨ üÜ◌~",
            "aAæÆ sSß dD fF gG hH jJ kK lL şŞ◌´ iİ ,;◌`",
            "<>| zZ xX cC vV bB nN mM öÖ çÇ .:",
        ],
        more: &[],
        accents: LATIN1,
    },
];

/// The layout where none is named.
pub(super) const ENGLISH_US: Spec = Spec {
    name: "en-us-qwerty",
    locale: 0x0409,
    alt_gr: false,
    rows: [
        "`~ 1! 2@ 3# 4$ 5% 6^ 7& 8* 9( 0) -_ =+",
        "qQ wW eE rR tT yY uU iI oO pP [{ ]}",
        r#"aA sS dD fF gG hH jJ kK lL ;: '" \|"#,
        r"\| zZ xX cC vV bB nN mM ,< .> /?",
    ],
    more: &[],
    accents: &[],
};

/// Each row's keys.
pub(super) const ROWS: [&[u8]; 4] = [
    &[0x29, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0A, 0x0B, 0x0C, 0x0D],
    &[0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x1B],
    &[0x1E, 0x1F, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28, 0x2B],
    &[0x56, 0x2C, 0x2D, 0x2E, 0x2F, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35],
];
