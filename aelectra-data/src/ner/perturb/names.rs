//! Personal names for the robustness test.
//!
//! Source: put together for this project, from names in everyday use in Denmark; not copied from
//! any list and not weighted by frequency. The minority names are ones used by people in Denmark
//! with roots in the Arab countries, Turkey, Kurdistan, Iran, Afghanistan, Pakistan, Somalia,
//! Bosnia, Vietnam, Sri Lanka and Poland, written as they usually are in Danish text. A list says
//! nothing about any person: it only asks whether a model finds such names as well as others.

use serde::{Deserialize, Serialize};

/// Whose names take the place of those in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NameGroup {
    /// Danish first names of women and Danish surnames.
    DanishFemale,
    /// Danish first names of men and Danish surnames.
    DanishMale,
    /// First names of women and surnames common among minorities in Denmark.
    MinorityFemale,
    /// First names of men and surnames common among minorities in Denmark.
    MinorityMale,
}

impl NameGroup {
    pub(super) const ALL: [Self; 4] = [
        Self::DanishFemale,
        Self::DanishMale,
        Self::MinorityFemale,
        Self::MinorityMale,
    ];

    pub(super) const fn first_names(self) -> &'static [&'static str] {
        match self {
            Self::DanishFemale => &DANISH_FEMALE,
            Self::DanishMale => &DANISH_MALE,
            Self::MinorityFemale => &MINORITY_FEMALE,
            Self::MinorityMale => &MINORITY_MALE,
        }
    }

    pub(super) const fn surnames(self) -> &'static [&'static str] {
        match self {
            Self::DanishFemale | Self::DanishMale => &DANISH_SURNAMES,
            Self::MinorityFemale | Self::MinorityMale => &MINORITY_SURNAMES,
        }
    }
}

/// Whether a name is a first name of one of the lists.
pub(super) fn is_first_name(name: &str) -> bool {
    let mut groups = NameGroup::ALL.iter();
    groups.any(|group| group.first_names().contains(&name))
}

/// Whether a name is a surname of one of the lists, or ends as Danish patronymics do.
pub(super) fn is_surname(name: &str) -> bool {
    DANISH_SURNAMES.contains(&name) || MINORITY_SURNAMES.contains(&name) || name.ends_with("sen")
}

#[rustfmt::skip]
const DANISH_FEMALE: [&str; 64] = [
    "Anne", "Kirsten", "Mette", "Hanne", "Helle", "Susanne", "Lene", "Maria", "Marianne", "Inge",
    "Karen", "Camilla", "Charlotte", "Louise", "Pia", "Tina", "Gitte", "Birgitte", "Ida", "Emma",
    "Freja", "Sofie", "Julie", "Line", "Maja", "Signe", "Astrid", "Karla", "Alberte", "Agnes",
    "Ellen", "Clara", "Nanna", "Rikke", "Trine", "Stine", "Dorthe", "Bodil", "Grethe", "Åse",
    "Jytte", "Lis", "Ulla", "Vibeke", "Lotte", "Anja", "Malene", "Heidi", "Tove", "Ruth", "Inger",
    "Bente", "Jette", "Lone", "Merete", "Sanne", "Kamilla", "Frida", "Liv", "Asta", "Birthe",
    "Solveig", "Gudrun", "Bjørg",
];

#[rustfmt::skip]
const DANISH_MALE: [&str; 64] = [
    "Peter", "Jens", "Lars", "Michael", "Henrik", "Thomas", "Søren", "Jan", "Christian", "Martin",
    "Niels", "Anders", "Morten", "Jesper", "Hans", "Jørgen", "Mads", "Per", "Ole", "Rasmus",
    "Kim", "Erik", "Bent", "Mikkel", "Frederik", "Emil", "Magnus", "Oliver", "William", "Noah",
    "Victor", "Valdemar", "Aksel", "Malthe", "Lauge", "Svend", "Poul", "Knud", "Flemming",
    "Torben", "Bo", "Claus", "Carsten", "Allan", "Brian", "Kenneth", "Dennis", "Jacob", "Kasper",
    "Simon", "Tobias", "Gustav", "Oskar", "Asger", "Bjarne", "Leif", "Finn", "Kaj", "Åge",
    "Ejnar", "Steen", "Ulrik", "Troels", "Esben",
];

#[rustfmt::skip]
const DANISH_SURNAMES: [&str; 56] = [
    "Jensen", "Nielsen", "Hansen", "Pedersen", "Andersen", "Christensen", "Larsen", "Sørensen",
    "Rasmussen", "Jørgensen", "Petersen", "Madsen", "Kristensen", "Olsen", "Thomsen", "Poulsen",
    "Johansen", "Møller", "Mortensen", "Knudsen", "Jakobsen", "Mikkelsen", "Frederiksen",
    "Laursen", "Lund", "Schmidt", "Holm", "Eriksen", "Clausen", "Kjær", "Simonsen", "Bach",
    "Vestergaard", "Nørgaard", "Dahl", "Østergaard", "Friis", "Kristoffersen", "Svendsen",
    "Winther", "Bertelsen", "Toft", "Bruun", "Krogh", "Juhl", "Bjerre", "Skov", "Damgaard",
    "Ravn", "Lauridsen", "Nygaard", "Overgaard", "Dalgaard", "Brandt", "Iversen", "Mathiesen",
];

#[rustfmt::skip]
const MINORITY_FEMALE: [&str; 56] = [
    "Fatima", "Aisha", "Amina", "Mariam", "Zahra", "Layla", "Noor", "Yasmin", "Samira", "Khadija",
    "Huda", "Rania", "Salma", "Nadia", "Hanan", "Sara", "Dina", "Zeinab", "Maryam", "Hafsa",
    "Ayşe", "Emine", "Fatma", "Elif", "Zeynep", "Hatice", "Özlem", "Sevgi", "Leyla", "Rojda",
    "Shirin", "Parisa", "Nasrin", "Mina", "Farah", "Ayesha", "Sana", "Hodan", "Ifrah", "Sagal",
    "Hamdi", "Faduma", "Amra", "Selma", "Lejla", "Emina", "Linh", "Thuy", "Mai", "Priya",
    "Tharani", "Agnieszka", "Katarzyna", "Małgorzata", "Joanna", "Ewa",
];

#[rustfmt::skip]
const MINORITY_MALE: [&str; 56] = [
    "Mohammed", "Muhammad", "Ahmad", "Ali", "Hassan", "Hussein", "Omar", "Yusuf", "Ibrahim",
    "Khaled", "Mahmoud", "Mustafa", "Abdullah", "Bilal", "Tariq", "Karim", "Samir", "Nabil",
    "Walid", "Ziad", "Mehmet", "Emre", "Murat", "Hakan", "Yılmaz", "Serkan", "Burak", "Cem",
    "Azad", "Rojhat", "Reza", "Mehdi", "Farhad", "Navid", "Imran", "Usman", "Asif", "Bashir",
    "Abdi", "Abdirahman", "Liban", "Mahad", "Adnan", "Emir", "Nermin", "Edin", "Minh", "Tuan",
    "Duc", "Suresh", "Kumaran", "Piotr", "Tomasz", "Krzysztof", "Marcin", "Paweł",
];

#[rustfmt::skip]
const MINORITY_SURNAMES: [&str; 56] = [
    "Ahmed", "Khan", "Hussain", "Abdi", "Mohamed", "Al-Khatib", "El-Masri", "Haddad", "Khalil",
    "Mansour", "Nasser", "Saleh", "Hamid", "Rahman", "Aziz", "Darwish", "Farah", "Jama",
    "Warsame", "Yusuf", "Osman", "Nur", "Yılmaz", "Kaya", "Demir", "Çelik", "Şahin", "Yıldız",
    "Öztürk", "Aydın", "Arslan", "Doğan", "Karimi", "Hosseini", "Rezaei", "Ahmadi", "Noori",
    "Malik", "Iqbal", "Butt", "Chaudhry", "Mirza", "Hodžić", "Begić", "Kovačević", "Nguyen",
    "Tran", "Pham", "Le", "Sivakumar", "Rajan", "Kowalski", "Nowak", "Wiśniewski", "Wójcik",
    "Kamiński",
];
