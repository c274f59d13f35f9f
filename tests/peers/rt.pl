# A Request Tracker of one's own: what `rt-setup-database` left is filled with a queue and two people, whose tokens are printed.
# RT_SITE_CONFIG names the configuration, which names the database.
use strict;
use warnings;
use lib '/usr/share/request-tracker5/lib';
use RT -init;
use RT::AuthToken;

sub must { my ($done, $why) = @_; die "$why\n" unless $done; return $done }

must(RT::Queue->new(RT->SystemUser)->Create(Name => 'IOC'));
for my $name ('ioc', 'alice') {
    my $user = RT::User->new(RT->SystemUser);
    must($user->Create(Name => $name, EmailAddress => "$name\@ioc.test", Privileged => 1));
    must($user->PrincipalObj->GrantRight(Right => $_, Object => RT->System))
        for qw(CreateTicket ShowTicket CommentOnTicket ReplyToTicket ShowTicketComments ModifyTicket OwnTicket TakeTicket SeeQueue);
    my ($done, $why, $secret) = RT::AuthToken->new(RT->SystemUser)->Create(Owner => $user->Id, Description => 'tests');
    must($done, $why);
    print "$secret\n";
}
