"""Name lists of the built-in sample.

Common Danish first names and surnames, real and made-up places, made-up organisation stems and
made-up works, events and products. Persons are random combinations of the two lists; nobody real
is meant. The NER splits draw from disjoint parts of each list (see `split_pools` in ner.py), the
prose draws from all of them.
"""

WOMEN = """Mette Anne Kirsten Hanne Lone Susanne Bodil Inge Karen Lene Helle Pia Marianne Gitte
Birthe Tina Charlotte Camilla Louise Maria Ida Emma Freja Sofie Clara Laura Josefine Mathilde Alberte
Ellen Nanna Signe Maja Line Stine Rikke Trine Dorthe Jette Vibeke Ulla Tove Grethe Ruth Edith Agnes
Asta Thea Liva Merle Silje Frida Ragnhild Astrid Ingrid Sigrid Gudrun Bente Annette Birgitte Kristine
Katrine Malene Marlene Mia Julie Cecilie Amalie Caroline Victoria Isabella Filippa Rosa Olga Dagmar
Yrsa Solveig Åse Kamma Vigga Karla Nina Sanne Heidi Anja Rebekka Johanne Martha Esther Ea Tilde
Naja Ditte Sara Lærke""".split()

MEN = """Jens Peter Lars Michael Henrik Thomas Søren Jan Niels Christian Martin Jørgen Hans Anders
Morten Jesper Ole Per Mads Erik Rasmus Kasper Mikkel Frederik Emil Magnus Oscar Victor William Noah
Carl Alfred Valdemar Malthe August Viggo Storm Elias Oliver Lucas Gustav Otto Bertram Aksel Villads
Konrad Holger Svend Knud Poul Børge Kaj Bent Finn Flemming Preben Torben Steen Claus Kim Allan Brian
Dennis Jacob Simon Jonas Tobias Sebastian Nikolaj Kristian Andreas Daniel Philip Esben Troels Asger
Bjarke Bjørn Thorkild Gunnar Harald Sigurd Ejnar Ebbe Palle Verner Arne Leif Benny Tommy Rune Troed
Laust Kresten Mogens Åge Toke Eskild Hjalmar""".split()

# Some surnames are also places in PLACES or common nouns in other lists: that is on purpose.
SURNAMES = """Jensen Nielsen Hansen Pedersen Andersen Christensen Larsen Sørensen Jørgensen Petersen
Madsen Kristensen Olsen Thomsen Christiansen Poulsen Johansen Møller Mortensen Knudsen Jakobsen
Mikkelsen Olesen Laursen Lund Holm Schmidt Eriksen Kristiansen Clausen Simonsen Svendsen Andreasen
Iversen Jeppesen Vestergaard Nissen Lauridsen Kjær Jespersen Mogensen Jepsen Frandsen Søndergaard
Carlsen Bertelsen Bruun Kristoffersen Holst Bach Bech Dahl Friis Winther Krogh Toft Skov Dalgaard
Kjeldsen Nørgaard Overgaard Østergaard Bak Lind Berg Bjerre Bjerg Brandt Bundgaard Villadsen Mathiesen
Steffensen Henriksen Gregersen Ravn Falk Due Svane Lassen Hald Thygesen Kruse Vinther Damgaard Nygaard
Kirkegaard Højgaard Lindegaard Bisgaard Bonde Smed Storgaard Beck Hedegaard Paulsen Ibsen Buhl Munk
Riis Juul Juhl Gade Kofoed Ipsen Pihl Fog Frost Stokholm Abildgaard Korsgaard Brogaard Tang Koch
Degn Buch Lunde Engberg Lykke Sand Hjorth Bang Borup Hviid Rosendal Ågaard Ørsted Nyborg Randers Holbæk
Aarup Brørup Haslev Thisted Viborg Hobro Vejen Lemvig Skive Tønder Bramming Ribe Hadsund Tranum
Kallehave Tinggaard Mølgaard Skytte Bagger Kappel Wulff Worm Qvist Zachariassen Terp Østrup Åkjær
Uldall Varming Egeskov Fjeldgaard Græsholt Høyer Klausholm Mørch Noe Pilgaard Røjkjær Stenholt
Tværsted Vognsen Ydegaard""".split()

# Towns and villages that take the preposition "i".
TOWNS = """Odder Skive Ribe Randers Holbæk Thisted Viborg Hobro Vejen Lemvig Tønder Bramming Hadsund
Nyborg Haslev Brørup Aarup Kolding Horsens Vejle Silkeborg Herning Holstebro Struer Ringkøbing Skjern
Varde Esbjerg Haderslev Aabenraa Sønderborg Fredericia Middelfart Assens Faaborg Svendborg Kerteminde
Odense Slagelse Korsør Kalundborg Roskilde Køge Ringsted Næstved Vordingborg Nakskov Maribo Nykøbing
Præstø Stege Frederikssund Hillerød Helsingør Fredensborg Grenaa Ebeltoft Hammel Galten Hinnerup
Hadsten Bjerringbro Brønderslev Hjørring Skagen Frederikshavn Sæby Løgstør Aars Hirtshals Nibe
Hurup Grindsted Billund Give Ølgod Tarm Videbæk Ikast Brande Bogense Otterup Ringe Rudkøbing
Sorø Stubbekøbing Rødby Rønne Nexø Aakirkeby Dragør Karup Aalestrup Vamdrup Christiansfeld Gråsten
Nordborg Løgumkloster Toftlund Vojens Gram Rødding""".split()

# Made-up villages; the endings are those of real ones.
VILLAGES = """Tranekilde Brændholt Kragelev Ulvemose Stenagerup Hvidkær Møllerløse Engtofte Bøgerup
Sortelund Kirkebølle Rævsted Lyngagger Sivholm Tjørnebjerg Østerklit Vibæk Dybkær Gåserup Havnstrup
Humlekær Isgårde Klintrup Lærkeborg Mosbølle Nørlev Ormslet Pilestrup Rugager Skrænthuse Toelstrup
Uglsø Vandløse Ærtebjerg Ødegrav Åbyskov Blåhede Drosselev Fårebæk Granløkke Hyldsted Kvistrup
Lammehave Mågeby Nattergård Omløb Penselrup Ravnsø Slåenhøj Tårnlev""".split()

# Islands and regions that take "på".
ISLANDS = """Samsø Læsø Anholt Bornholm Langeland Ærø Tåsinge Mors Fanø Rømø Als Fyn Sjælland Lolland
Falster Møn Fejø Femø Endelave Tunø Strynø Orø Sejerø Agersø Omø Djursland Mols Salling""".split()

# Abroad, with "i".
COUNTRIES = """Sverige Norge Tyskland Frankrig Italien Spanien Polen Finland Holland Belgien
Portugal Grækenland Østrig Ungarn Japan Canada Kenya Brasilien Indien Skotland Irland Estland Letland
""".split()
FOREIGN_CITIES = """Oslo Bergen Stockholm Malmø Göteborg Hamborg Berlin Bremen Paris Lyon Rom Milano Madrid Lissabon Wien
Prag Warszawa Helsinki Reykjavik Edinburgh Tallinn Riga Tokyo Toronto Nairobi""".split()

STREETS = """Vestergade Østergade Nørregade Søndergade Kirkestræde Mølledamsvej Skolebakken Havnegade
Algade Storegade Strandvejen Bøgevænget Kastanjealle Banegårdspladsen Rådhuspladsen Torvegade Fjordvej
Lærkevej Drosselvej Engdraget Klostergade Smedegyde Brogade Slotsvej Ringvejen Birkealle Rosenstien
Teglværksvej Hedevej Åboulevarden""".split()

# Made-up organisation stems.
STEMS = """Tangora Solvena Kronlyd Bølgekraft Nordvig Hedelund Brisk Fjordana Dansal Velora Skanlux
Agrivo Nordtek Limbo Kvikna Lomar Tirsbo Plenti Odinco Vikanta Bravana-Nord Smedjan Havtorn Lyngsol
Rødtjørn Kobbervig Granit-Vest Midtsol Jyvana Sundkraft Balticor Fynbo-Mad Sølvpil Tranbo Kornvig
Malthus-Gruppen Dynalo Elvira-Huset Frostin Grundvig Hanvest Isolina Jernbo Klarvand Lindex-Øst Muldvang
Navigo Ostara Pilvad Quanta-Data Ramvik Saltholt Tekstura Ultima-Nord Vestlyd Windora Xylo Ydana Zenlo
Ærlig-Energi Østkraft Ålborga Bondo Cirkla Delfina Ekkovia Fasana Gylfe Hexavo Ingolf-Byg Junivo
Kaskelot Ludvina Mosegris Nidana Optica-Syd Perlevo Rimfrost Stentoft Tidevand Urbania Volmer Wivex
Aldana Brogil Corvana Drivis Engvang Flintbo Gejser Humlebi Indigo-Huset Jagtvej-Gruppen Kulmana Lavendia
Meretek Nattely Orkana Pulsar-Nord Ravlund Stjernbo Trekant-Byg Ulvana Vibrato Arvida Bifrost-Data
Cedro Dagny-Food Egelyd Filibo Gimle Havblik Isbrand Jordnær Kimana Lanterna Mimer-Gruppen Nornia
Otiva Pluvia Rosendor Sleipno Tordenvig Ullbo Valravna Yggdra Bymuld Fønix-Syd Kompas-Vest
Mølleå Skarv Terna Vadefugl Zefyra""".split()

# What a company does: suffixes of its name, and what it makes (plural nouns).
BRANCHES = {
    "byg": (["Byg A/S", "Byg ApS", "Entreprise A/S", "Huse A/S"], ["huse", "broer", "etageboliger", "idrætshaller", "kontorer", "kajanlæg"]),
    "energi": (["Energi A/S", "Vind A/S", "Varme A/S", "Energi ApS"], ["vindmøller", "solceller", "varmepumper", "batterier", "elkabler"]),
    "mad": (["Mejeri A/S", "Bageri ApS", "Food A/S", "Bryggeri ApS"], ["oste", "kager", "pølser", "supper", "rugbrød", "marmelader"]),
    "transport": (["Transport A/S", "Spedition A/S", "Færger A/S", "Busser ApS"], ["busser", "lastbiler", "færger", "pakker", "containere"]),
    "data": (["Data A/S", "Software ApS", "Systemer A/S", "Robotter A/S"], ["computere", "robotter", "programmer", "sensorer", "skærme"]),
    "møbler": (["Møbler A/S", "Design ApS", "Textil A/S", "Lamper ApS"], ["stole", "lamper", "borde", "tæpper", "gardiner", "reoler"]),
    "medicin": (["Pharma A/S", "Medico A/S", "Laboratorier A/S", "Optik ApS"], ["vacciner", "høreapparater", "briller", "piller", "salver"]),
}

TRADES = ["Tagdækning ApS", "Tømrerfirma ApS", "Murermestre A/S", "Vinduer ApS", "Auto ApS", "& Søn", "Malerfirma A/S", "Planteskole", "Revision"]
CLUB_FORMS = ["Boldklub", "FC", "IF", "Håndboldklub"]
SCHOOL_FORMS = ["Skole", "Friskole", "Gymnasium", "Efterskole", "Højskole"]
PAPER_FORMS = ["Avis", "Folkeblad", "Tidende", "Posten", "Ugeavis"]
ASSOCIATIONS = ["Borgerforening", "Museum", "Kirke", "Bibliotek", "Teater", "Sygehus", "Havn", "Lokalarkiv", "Pensionistforening", "Jagtforening", "Erhvervsråd", "Spejdergruppe"]
PARTIES = ["Fælleslisten", "Borgerpartiet", "Landsbylisten", "Midtersamlingen", "Fremtidslisten", "Kystpartiet", "Grøn Samling", "Landbolisten", "Velfærdslisten", "Nyt Folkestyre"]
INSTITUTES = ["Nordisk Havinstitut", "Institut for Jordforskning", "Center for Byhistorie", "Dansk Fugleinstitut", "Rådet for Sund Søvn", "Videnscenter for Vejr", "Foreningen Rent Vand", "Landsforeningen for Bier", "Instituttet for Fiskeri", "Sammenslutningen af Små Skoler", "Center for Lys og Lyd", "Selskabet for Sten og Sand"]
BANDS = ["De Glade Måger", "Nattens Rytme", "Kystvagten", "Grus og Guld", "Søndagsbanden", "Sorte Svaner", "Klokken Fem", "Trio Tusmørke", "Lygtemændene", "Den Våde Hund", "Ildfluerne", "Blå Time"]

# Nationalities: (land, adjective, adjective plural/definite, person, persons definite, language)
NATIONS = [
    ("Sverige", "svensk", "svenske", "svensker", "svenskerne"), ("Norge", "norsk", "norske", "nordmand", "nordmændene"),
    ("Tyskland", "tysk", "tyske", "tysker", "tyskerne"), ("Frankrig", "fransk", "franske", "franskmand", "franskmændene"),
    ("Italien", "italiensk", "italienske", "italiener", "italienerne"), ("Spanien", "spansk", "spanske", "spanier", "spanierne"),
    ("Polen", "polsk", "polske", "polak", "polakkerne"), ("Finland", "finsk", "finske", "finne", "finnerne"),
    ("Island", "islandsk", "islandske", "islænding", "islændingene"), ("Holland", "hollandsk", "hollandske", "hollænder", "hollænderne"),
    ("Belgien", "belgisk", "belgiske", "belgier", "belgierne"), ("Portugal", "portugisisk", "portugisiske", "portugiser", "portugiserne"),
    ("Grækenland", "græsk", "græske", "græker", "grækerne"), ("Østrig", "østrigsk", "østrigske", "østriger", "østrigerne"),
    ("Ungarn", "ungarsk", "ungarske", "ungarer", "ungarerne"), ("Japan", "japansk", "japanske", "japaner", "japanerne"),
    ("Canada", "canadisk", "canadiske", "canadier", "canadierne"), ("Kenya", "kenyansk", "kenyanske", "kenyaner", "kenyanerne"),
    ("Indien", "indisk", "indiske", "inder", "inderne"), ("Skotland", "skotsk", "skotske", "skotte", "skotterne"),
    ("Irland", "irsk", "irske", "irer", "irerne"), ("Estland", "estisk", "estiske", "ester", "esterne"),
    ("Letland", "lettisk", "lettiske", "lette", "letterne"), ("Danmark", "dansk", "danske", "dansker", "danskerne"),
]

LAWS = "Grundloven Skovloven Færdselsloven Planloven Naturbeskyttelsesloven Ferieloven Folkeskoleloven Vandløbsloven Lejeloven Arveloven Fiskeriloven Museumsloven Husdyrloven Byggeloven Havneloven Biblioteksloven Kirkeloven Dyreværnsloven Jagtloven Miljøloven".split()
FESTIVALS = ["Vinterens Bogfest", "Høstens Lysfest", "Havnefestivalen", "Kartoffeldagene", "Den Store Bagedyst", "Sildemarkedet", "Æblefesten", "Nordlysfestivalen", "Kulturnatten", "Tangfestivalen", "Orgeldagene", "Vikingetræffet", "Den Lange Lørdag", "Ungdommens Folkedag", "Dragefestivalen", "Hedetræffet", "Mosefesten", "Lysets Uge", "Høstgildet", "Jazzugen", "Rosendagene"]
RACES = ["Fjordløbet", "Midsommerstævnet", "Rapsløbet", "Forårscuppen", "Bymesterskabet", "Kystmaraton", "Klitløbet", "Fjordcuppen", "Stjerneløbet", "Havnecuppen", "Mosemesterskabet", "Heksestafetten", "Ø til Ø-løbet", "Vintertouren"]
PRODUCTS = ["Kvikna 3", "Lomo X2", "Velio S", "Norda Mini", "Tivola", "Pixo 7", "Sveva Pro", "Brumbo", "Havi One", "Duka Max", "Rullo", "Zimba 40", "Mikro-Ole", "Fjolla Plus", "Turbina GT", "Lumita", "Oksi 2000", "Pendula", "Snuppi", "Volta Light", "Grynta", "Karvo 5"]
PRIZES = ["Den Gyldne Fjer", "Havblikprisen", "Sølvspaden", "Lærkeprisen", "Store Kokkepris", "Det Lille Anker", "Årets Ildsjæl", "Muldprisen", "Rimfrostlegatet", "Det Blå Bånd", "Kobbernøglen", "Den Grønne Gaffel"]
WORKS = ["Huset ved åen", "Den sidste færge", "Sne over heden", "Et brev fra Norge", "Mit lille værksted", "Natten i tårnet", "Rugens sang", "Pigen med cyklen", "Tolv tavse mænd", "Havets bog", "Under de høje træer", "Når mågerne tier", "En have uden hegn", "Fru Bergs kuffert", "Kaptajnens hund", "Det tomme pakhus"]
LANGUAGES = "dansk svensk norsk tysk fransk italiensk spansk polsk finsk islandsk hollandsk portugisisk græsk ungarsk japansk estisk lettisk".split()

MISC = {
    "nations": NATIONS,
    "languages": [(x,) for x in LANGUAGES],
    "laws": [(x,) for x in LAWS],
    "festivals": [(x,) for x in FESTIVALS],
    "races": [(x,) for x in RACES],
    "products": [(x,) for x in PRODUCTS],
    "prizes": [(x,) for x in PRIZES],
    "works": [(x,) for x in WORKS],
}
