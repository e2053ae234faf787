"""Inflected Danish words of the built-in sample.

A noun line is "ental bestemt flertal bestemt-flertal"; its gender follows from the definite form
(-t neuter, -n common). An adjective line is "fælleskøn intetkøn flertal/bestemt".
"""


def nouns(text, adjectives):
    rows = [line.split() for line in text.strip().splitlines()]
    assert all(len(r) == 4 and r[1][-1] in "tn" for r in rows), rows
    return rows, [line.split() for line in adjectives.strip().splitlines()]


# class -> (nouns, adjectives that suit every noun of the class)
NOUNS = {
    "dyr": nouns("""
hund hunden hunde hundene
kat katten katte kattene
hest hesten heste hestene
ko koen køer køerne
får fåret får fårene
ræv ræven ræve rævene
hjort hjorten hjorte hjortene
rådyr rådyret rådyr rådyrene
and anden ænder ænderne
svane svanen svaner svanerne
gås gåsen gæs gæssene
pindsvin pindsvinet pindsvin pindsvinene
hare haren harer harerne
egern egernet egern egernene
ugle uglen ugler uglerne
""", """
stor stort store
lille lille små
gammel gammelt gamle
ung ungt unge
brun brunt brune
grå gråt grå
hvid hvidt hvide
træt træt trætte
sulten sultent sultne
rask rask raske
"""),
    "husdyr": nouns("""
hund hunden hunde hundene
kat katten katte kattene
hest hesten heste hestene
ko koen køer køerne
får fåret får fårene
lam lammet lam lammene
gris grisen grise grisene
kalv kalven kalve kalvene
gås gåsen gæs gæssene
føl føllet føl føllene
""", """
stor stort store
lille lille små
brun brunt brune
hvid hvidt hvide
"""),
    "bygning": nouns("""
skole skolen skoler skolerne
hal hallen haller hallerne
bro broen broer broerne
kirke kirken kirker kirkerne
mølle møllen møller møllerne
lade laden lader laderne
villa villaen villaer villaerne
fabrik fabrikken fabrikker fabrikkerne
hus huset huse husene
bibliotek biblioteket biblioteker bibliotekerne
rådhus rådhuset rådhuse rådhusene
plejehjem plejehjemmet plejehjem plejehjemmene
pakhus pakhuset pakhuse pakhusene
hotel hotellet hoteller hotellerne
tårn tårnet tårne tårnene
værksted værkstedet værksteder værkstederne
museum museet museer museerne
svømmehal svømmehallen svømmehaller svømmehallerne
børnehave børnehaven børnehaver børnehaverne
""", """
gammel gammelt gamle
ny nyt nye
stor stort store
lille lille små
smuk smukt smukke
rød rødt røde
hvid hvidt hvide
høj højt høje
moderne moderne moderne
nedslidt nedslidt nedslidte
hyggelig hyggeligt hyggelige
lys lyst lyse
"""),
    "bygning_h": nouns("""
villa villaen villaer villaerne
lejlighed lejligheden lejligheder lejlighederne
hus huset huse husene
rækkehus rækkehuset rækkehuse rækkehusene
gård gården gårde gårdene
sommerhus sommerhuset sommerhuse sommerhusene
""", """
gammel gammelt gamle
lille lille små
stor stort store
rød rødt røde
hvid hvidt hvide
lys lyst lyse
nedslidt nedslidt nedslidte
"""),
    "overnatning": nouns("""
hotel hotellet hoteller hotellerne
pensionat pensionatet pensionater pensionaterne
vandrerhjem vandrerhjemmet vandrerhjem vandrerhjemmene
kro kroen kroer kroerne
campingplads campingpladsen campingpladser campingpladserne
""", """
gammel gammelt gamle
lille lille små
stor stort store
billig billigt billige
hyggelig hyggeligt hyggelige
"""),
    "ting": nouns("""
cykel cyklen cykler cyklerne
stol stolen stole stolene
lampe lampen lamper lamperne
kuffert kufferten kufferter kufferterne
taske tasken tasker taskerne
nøgle nøglen nøgler nøglerne
kop koppen kopper kopperne
jakke jakken jakker jakkerne
bog bogen bøger bøgerne
guitar guitaren guitarer guitarerne
båd båden både bådene
kikkert kikkerten kikkerter kikkerterne
bord bordet borde bordene
billede billedet billeder billederne
kort kortet kort kortene
ur uret ure urene
brev brevet breve brevene
skab skabet skabe skabene
spejl spejlet spejle spejlene
tæppe tæppet tæpper tæpperne
kamera kameraet kameraer kameraerne
telt teltet telte teltene
""", """
gammel gammelt gamle
ny nyt nye
stor stort store
lille lille små
rød rødt røde
grøn grønt grønne
blå blåt blå
sort sort sorte
dyr dyrt dyre
billig billigt billige
flot flot flotte
tung tungt tunge
brugt brugt brugte
"""),
    "person": nouns("""
nabo naboen naboer naboerne
kollega kollegaen kolleger kollegerne
lærer læreren lærere lærerne
elev eleven elever eleverne
læge lægen læger lægerne
sygeplejerske sygeplejersken sygeplejersker sygeplejerskerne
landmand landmanden landmænd landmændene
fisker fiskeren fiskere fiskerne
tømrer tømreren tømrere tømrerne
chauffør chaufføren chauffører chaufførerne
gæst gæsten gæster gæsterne
turist turisten turister turisterne
forfatter forfatteren forfattere forfatterne
forsker forskeren forskere forskerne
bager bageren bagere bagerne
pensionist pensionisten pensionister pensionisterne
""", """
gammel gammelt gamle
ung ungt unge
venlig venligt venlige
erfaren erfarent erfarne
dygtig dygtigt dygtige
lokal lokalt lokale
glad glad glade
træt træt trætte
høflig høfligt høflige
stædig stædigt stædige
"""),
    "natur": nouns("""
skov skoven skove skovene
sø søen søer søerne
bakke bakken bakker bakkerne
mose mosen moser moserne
eng engen enge engene
strand stranden strande strandene
ø øen øer øerne
have haven haver haverne
park parken parker parkerne
hede heden heder hederne
vandløb vandløbet vandløb vandløbene
krat krattet krat krattene
område området områder områderne
bjerg bjerget bjerge bjergene
landskab landskabet landskaber landskaberne
fredskov fredskoven fredskove fredskovene
""", """
stor stort store
lille lille små
smuk smukt smukke
stille stille stille
grøn grønt grønne
vild vildt vilde
åben åbent åbne
øde øde øde
fredet fredet fredede
kendt kendt kendte
"""),
    "plan": nouns("""
plan planen planer planerne
aftale aftalen aftaler aftalerne
idé idéen idéer idéerne
beslutning beslutningen beslutninger beslutningerne
løsning løsningen løsninger løsningerne
ordning ordningen ordninger ordningerne
rapport rapporten rapporter rapporterne
undersøgelse undersøgelsen undersøgelser undersøgelserne
kampagne kampagnen kampagner kampagnerne
forslag forslaget forslag forslagene
projekt projektet projekter projekterne
budget budgettet budgetter budgetterne
forsøg forsøget forsøg forsøgene
kursus kurset kurser kurserne
program programmet programmer programmerne
samarbejde samarbejdet samarbejder samarbejderne
""", """
ny nyt nye
god godt gode
stor stort store
lille lille små
dyr dyrt dyre
billig billigt billige
fornuftig fornuftigt fornuftige
klog klogt kloge
vigtig vigtigt vigtige
grøn grønt grønne
fælles fælles fælles
omfattende omfattende omfattende
"""),
    "mad": nouns("""
suppe suppen supper supperne
kage kagen kager kagerne
tærte tærten tærter tærterne
salat salaten salater salaterne
gryderet gryderetten gryderetter gryderetterne
sauce saucen saucer saucerne
fiskeret fiskeretten fiskeretter fiskeretterne
brød brødet brød brødene
måltid måltidet måltider måltiderne
""", """
varm varmt varme
god godt gode
let let lette
sund sundt sunde
frisk frisk friske
lækker lækkert lækre
krydret krydret krydrede
enkel enkelt enkle
hjemmelavet hjemmelavet hjemmelavede
"""),
}

# Predicate adjectives by theme, common/neuter/plural.
PREDICATES = {
    "plan": [r.split() for r in """god godt gode
dårlig dårligt dårlige
urealistisk urealistisk urealistiske
nødvendig nødvendigt nødvendige
dyr dyrt dyre
klar klart klare
uklar uklart uklare
populær populært populære
vigtig vigtigt vigtige""".splitlines()],
    "stand": [r.split() for r in """slidt slidt slidte
færdig færdigt færdige
tom tomt tomme
beskidt beskidt beskidte
ren rent rene
mørk mørkt mørke
kold koldt kolde""".splitlines()],
    "syg": [r.split() for r in """syg sygt syge
halt halt halte
svag svagt svage
urolig uroligt urolige""".splitlines()],
    "mad": [r.split() for r in """varm varmt varme
kold koldt kolde
sød sødt søde
færdig færdigt færdige
salt salt salte
god godt gode
tør tørt tørre""".splitlines()],
    "dyr": [r.split() for r in """træt træt trætte
sulten sultent sultne
bange bange bange
syg sygt syge
rask rask raske
våd vådt våde
nysgerrig nysgerrigt nysgerrige
tam tamt tamme""".splitlines()],
    "natur": [r.split() for r in """stille stille stille
smuk smukt smukke
øde øde øde
grøn grønt grønne
våd vådt våde
hvid hvidt hvide""".splitlines()],
    "ting": [r.split() for r in """ny nyt nye
dyr dyrt dyre
tung tungt tunge
billig billigt billige
smuk smukt smukke
flot flot flotte""".splitlines()],
    "person": [r.split() for r in """glad glad glade
træt træt trætte
tilfreds tilfreds tilfredse
vred vredt vrede
overrasket overrasket overraskede
bekymret bekymret bekymrede
stolt stolt stolte
nervøs nervøst nervøse
enig enigt enige""".splitlines()],
}

NUMBERS = "nul en to tre fire fem seks syv otte ni ti elleve tolv tretten fjorten femten seksten sytten atten nitten tyve".split()
MONTHS = "januar februar marts april maj juni juli august september oktober november december".split()
DAYS = "mandag tirsdag onsdag torsdag fredag lørdag søndag".split()
